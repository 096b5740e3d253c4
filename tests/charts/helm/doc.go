// Package helm runs the real helm, 3 and 4, over copies of the charts of this repository.
//
// A chart is rendered with its dependencies real or stubbed. helm refuses a chart whose dependency is absent, and chart
// registries are not always in reach, so by default a dependency is a chart without templates in a temporary copy: what
// is tested then are the chart's own templates, and at its end the test program says that the upstream render was
// skipped. Two variables ask for more:
//
//	CHART_SOURCES=DIR   take a dependency from DIR/<name> if it is there
//	REQUIRE_UPSTREAM=1  fetch every dependency with `helm dependency build`; it is an error if one is not to be had
//
// A test package that uses charts has helm.Main as its TestMain.
package helm
