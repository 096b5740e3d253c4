package openai

import "github.com/openova-io/llm-gateway/internal/gateway"

// file is a file as the API shows it. Times are seconds since 1970.
type file struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"` // "file"
	Bytes         int64   `json:"bytes"`
	CreatedAt     *int64  `json:"created_at"`
	ExpiresAt     *int64  `json:"expires_at"` // null if it does not
	Filename      string  `json:"filename"`
	Purpose       string  `json:"purpose"`
	Status        string  `json:"status"`         // "processed"; the API has given it up, its clients ask for it
	StatusDetails *string `json:"status_details"` // the same; null
}

type fileDeleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // "file"
	Deleted bool   `json:"deleted"`
}

// FileObject is the JSON of a file.
func FileObject(f *gateway.File) []byte { return marshal(newFile(f)) }

// FileList is the JSON of a page of files.
func FileList(files []gateway.File, more bool) []byte {
	return marshal(newPage(files, more, newFile, func(f *file) string { return f.ID }))
}

// FileDeleted is the answer to the deletion of a file.
func FileDeleted(id string) []byte { return marshal(fileDeleted{id, "file", true}) }

func newFile(f *gateway.File) file {
	return file{
		ID: gateway.PublicFileID(f.ID), Object: "file", Bytes: f.Size, CreatedAt: seconds(f.CreatedAt), ExpiresAt: seconds(f.ExpiresAt),
		Filename: f.Name, Purpose: f.Purpose, Status: "processed",
	}
}
