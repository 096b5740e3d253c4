package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// leftNothing waits until the stores have nothing of the owner's batches and files: no row, no item, no byte.
func (o *owner) leftNothing(t *testing.T) {
	t.Helper()
	db := o.db(t, "owner")
	eventually(t, time.Minute, "nothing is left", func() bool {
		var left int
		err := db.QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM batches WHERE subject = $1) + (SELECT count(*) FROM files WHERE subject = $1)`, o.subject).Scan(&left)
		return err == nil && left == 0
	})
	// A row goes only after all that hangs on it.
	var orphans int
	err := db.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM batch_items i WHERE NOT EXISTS (SELECT FROM batches b WHERE b.id = i.batch_id))
			+ (SELECT count(*) FROM file_chunks c WHERE NOT EXISTS (SELECT FROM files f WHERE f.id = c.file_id))`).Scan(&orphans)
	if err != nil || orphans > 0 {
		t.Errorf("%d items and chunks are of nothing, %v", orphans, err)
	}
}

// listsNothing holds that the owner is shown no batch and no file.
func (o *owner) listsNothing(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/batches", anthropicBatches, openaiBatches, openaiFiles} {
		var list struct{ Data []json.RawMessage }
		o.want(t, http.StatusOK, &list, http.MethodGet, path, "")
		if len(list.Data) > 0 {
			t.Errorf("%s shows %s", path, list.Data)
		}
	}
}

func aDuplicateItem(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	all := items(1200, "hello")
	all[1150].id = all[3].id
	a := o.want(t, http.StatusBadRequest, nil, http.MethodPost, anthropicBatches, requests(model, all))
	if !strings.Contains(a.body, "requests.1150.custom_id") || !strings.Contains(a.body, "item-00003") {
		t.Errorf("the refusal does not name the place: %s", a.body)
	}
	o.listsNothing(t)
	o.leftNothing(t)
}

func aBrokenRequest(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	broken := strings.Replace(requests(model, items(57_100, "hello")), `{"custom_id":"item-57000","params":{`, `{"custom_id":"item-57000","params":["`, 1)
	a := o.want(t, http.StatusBadRequest, nil, http.MethodPost, anthropicBatches, broken)
	if !strings.Contains(a.body, "requests.57000") {
		t.Errorf("the refusal does not name the place: %s", a.body)
	}
	o.listsNothing(t)
	o.leftNothing(t)
}

func aBrokenLine(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	file := strings.Replace(lines(model, items(42_000, "hello")), `{"custom_id":"item-41233"`, `{"custom_id":"item-41233"]`, 1)
	id := o.submitFile(t, file)
	o.ended(t, id)
	var shown struct {
		Status string
		Errors struct {
			Data []struct {
				Code, Message string
				Line          int
			}
		}
	}
	o.want(t, http.StatusOK, &shown, http.MethodGet, openaiBatches+"/"+id, "")
	if errs := shown.Errors.Data; shown.Status != "failed" || len(errs) != 1 || errs[0].Line != 41_234 || errs[0].Code != "invalid_json_line" {
		t.Errorf("%+v", shown)
	}
	eventually(t, time.Minute, "the items of a batch that was refused are gone", func() bool { return len(o.trace(t, id)) == 0 })
}

// repeated is text without end, made of one that is repeated, up to n bytes.
type repeated struct {
	text string
	n, i int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.i >= r.n {
			return n, io.EOF
		}
		at := r.i % len(r.text)
		c := copy(p[n:min(len(p), n+r.n-r.i)], r.text[at:])
		n, r.i = n+c, r.i+c
	}
	return n, nil
}

func tooLarge(t *testing.T, w *world) {
	const size = 300 << 20
	o := w.owner(t, "pro")
	for name, upload := range map[string]func() (path, kind string, body io.Reader, length int64){
		"messages, announced": func() (string, string, io.Reader, int64) {
			return anthropicBatches, "application/json", &repeated{text: " ", n: size}, size
		},
		"messages, not announced": func() (string, string, io.Reader, int64) {
			return anthropicBatches, "application/json", endless(size), -1
		},
		"a file, announced": func() (string, string, io.Reader, int64) {
			kind, form := fileForm(&repeated{text: "{}\n", n: size})
			return openaiFiles, kind, form, size + 1<<10
		},
		"a file, not announced": func() (string, string, io.Reader, int64) {
			kind, form := fileForm(&repeated{text: lines(model, items(1, strings.Repeat("long ", 10_000))), n: size})
			return openaiFiles, kind, form, -1
		},
	} {
		path, kind, body, length := upload()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Authorization", "Bearer "+o.token)
		req.Header.Set("Content-Type", kind)
		a := whole((&http.Client{Timeout: 3 * time.Minute}).Do(req))
		if a.err != nil || a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "larger than this gateway takes") {
			t.Errorf("%s: %d %s %v", name, a.status, a.body, a.err)
		}
	}
	o.listsNothing(t)
	o.leftNothing(t)
}

// endless is a good body of a batch as far as it comes.
func endless(size int) io.Reader {
	r, w := io.Pipe()
	prompt := strings.Repeat("long ", 20_000)
	go func() {
		var err error
		sent := 0
		write := func(text string) {
			if err == nil {
				_, err = io.WriteString(w, text)
				sent += len(text)
			}
		}
		write(`{"requests":[`)
		for n := 0; err == nil && sent < size; n++ {
			write(fmt.Sprintf(`{"custom_id":"item-%05d","params":%s},`, n, message(model, prompt, false)))
		}
		_ = w.CloseWithError(err)
	}()
	return r
}

func aClientThatGoes(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	body := requests(model, items(3000, "hello"))
	kind, form := fileForm(strings.NewReader(strings.Repeat("{}\n", 1<<20)))
	file, err := io.ReadAll(form)
	if err != nil {
		t.Fatal(err)
	}
	const key = "the-key-of-a-client-that-goes"
	for path, upload := range map[string]struct{ kind, body string }{
		anthropicBatches: {"application/json", body}, openaiFiles: {kind, string(file)},
	} {
		r, sending := io.Pipe()
		left := make(chan error, 1)
		go func() {
			left <- o.call(t.Context(), http.MethodPost, path, r, "Content-Type", upload.kind, "Idempotency-Key", key).err
		}()
		if _, err := io.WriteString(sending, upload.body[:len(upload.body)*2/3]); err != nil {
			t.Fatal(err)
		}
		_ = sending.CloseWithError(io.ErrUnexpectedEOF) // it hangs up
		if err := <-left; err == nil {
			t.Errorf("%s: half an upload was answered", path)
		}
	}
	o.leftNothing(t)
	o.listsNothing(t)
	// Its key has been used for nothing.
	o.cancel(t, o.submit(t, model, items(1, "hello"), "Idempotency-Key", key))
}

func theSameKey(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	body := requests(model, items(700, "hello"))
	const key = "once"
	var all sync.WaitGroup
	answers := make([]answer, 6)
	for i := range answers {
		all.Go(func() {
			for { // as a client does that is told to try again
				answers[i] = o.call(t.Context(), http.MethodPost, anthropicBatches, strings.NewReader(body), "Idempotency-Key", key)
				if answers[i].status != http.StatusConflict || answers[i].header.Get("Retry-After") == "" || t.Context().Err() != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	all.Wait()
	first, replays := "", 0
	for _, a := range answers {
		var made struct{ ID string }
		if a.err != nil || a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &made) != nil || made.ID == "" || first != "" && made.ID != first {
			t.Fatalf("%d %s %v: want the batch %s", a.status, a.body, a.err, first)
		}
		first = made.ID
		if a.header.Get("Idempotent-Replayed") == "true" {
			replays++
		}
	}
	if replays != len(answers)-1 {
		t.Errorf("%d of %d answers are of a batch that was there", replays, len(answers))
	}
	other := o.call(t.Context(), http.MethodPost, anthropicBatches, strings.NewReader(requests(model, items(3, "bye"))), "Idempotency-Key", key)
	if other.status != http.StatusBadRequest || !strings.Contains(other.body, first) {
		t.Errorf("the key for another input: %d %s", other.status, other.body)
	}
	// It is nobody else's.
	stranger := w.owner(t, "pro")
	if id := stranger.submit(t, model, items(3, "bye"), "Idempotency-Key", key); id == first {
		t.Errorf("another user was given %s", first)
	}
	o.provedAs(t, o.ended(t, first), "completed", 700, 0)
	var made int
	if err := w.db(t, "owner").QueryRow(t.Context(), `SELECT count(*) FROM batches WHERE subject = $1 AND deleted_at IS NULL`, o.subject).Scan(&made); err != nil || made != 1 {
		t.Errorf("%d batches were made, %v", made, err)
	}
}
