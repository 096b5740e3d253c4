// Package activities is what the workflows do to the world: they put requests on record, count them, and clean up
// after processes that died. There is a struct per family, and it declares the interfaces it needs.
//
// Every activity may run twice, after a worker was lost or a reply did not arrive, and the second time changes
// nothing. What goes in and comes out is kept in Temporal's history for days and shown in its Web UI: ids, names and
// counts only, never a prompt, an answer or the words of a backend. The one exception are the items that somebody puts
// into a workflow's own message: see [Submission].
package activities
