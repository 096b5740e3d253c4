// Package charts tests the Helm charts: it renders each of them with both helms and holds what comes out against what
// an API server, the platform and the charts' own promises ask for. Everything that is the same for all charts is
// tested here by tables over the charts; what one chart alone does is in the test file named after it.
//
// testdata/renders/<chart> holds values that have to render, testdata/refused/<chart> values that have to be refused.
package charts
