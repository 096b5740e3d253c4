package model

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
)

// Config is what a mock can be told.
type Config struct {
	// Provider is whose service it stands in for; empty means one that speaks
	// both dialects, as vLLM does.
	Provider Provider
	// Token is the bearer credential every API request must carry; empty means
	// none. It proves that the gateway replaced the user's with its own.
	Token string
	// AWS is the only account that Bedrock knows.
	AWS AWSAccount
	// Google is the only service account that Vertex gives tokens to.
	Google *GoogleAccount
	// Records is how many requests are remembered; 0 means 10,000, negative none.
	Records int
	// Models are the ids to list; empty means a few of each dialect.
	Models []string
}

// Model is one mock provider. It is an [http.Handler].
type Model struct {
	provider Provider
	models   []string
	recorder *recorder
	api      map[string]endpoint // by method and path, or what stands for them
	admit    func(*exchange) (status int, message string)
	mock     http.Handler

	batches *batches

	faults atomic.Pointer[faults]

	toolRequest *regexp.Regexp
	toolAlso    *regexp.Regexp // what may follow it
}

// faults are the switches of all requests.
type faults struct {
	Switches
	since time.Time    // when they were set
	seen  atomic.Int64 // requests since then that a status was set for
}

// endpoint answers a request whose body has been read.
type endpoint struct {
	dialect dialect
	answer  func(*exchange) error
	other   bool // its POST has another body than JSON, or none
}

// New returns a mock provider.
func New(config Config) *Model {
	records := config.Records
	if records == 0 {
		records = 10_000
	}
	m := &Model{
		provider:    config.Provider,
		models:      config.Models,
		recorder:    newRecorder(max(records, 0)),
		batches:     &batches{},
		toolRequest: regexp.MustCompile(`(?i)\buse (?:the )?tool ([\w.-]+)|\buse the ([\w.-]+) tool`),
		toolAlso:    regexp.MustCompile(`(?i)^\s*and (?:use )?(?:the )?tool ([\w.-]+)|^\s*and (?:use )?the ([\w.-]+) tool`),
	}
	if len(m.models) == 0 {
		m.models = defaultModels()
	}
	m.api = m.endpoints()
	m.admit = m.door(config)
	m.mock = m.control(config)
	m.setFaults(noSwitches())
	return m
}

// exchange is one request on its way to an answer.
type exchange struct {
	w        http.ResponseWriter
	r        *http.Request
	dialect  dialect
	body     []byte
	sum      [sha256.Size]byte
	fields   map[string]gjson.Result // of the body, found in one pass
	model    string                  // that the path names, where the body does not
	id       string                  // the batch or file that the path names
	item     item                    // which item of a batch it is, if it is one
	switches Switches
	note     func(status int, u usage) // puts on record what is answered
}

// The ways an exchange ends other than by a complete answer.
var (
	errClientLeft = errors.New("the client left")
	errInjected   = errors.New("a switch ended the answer")
	errCut        = errors.New("a switch cut the connection")
)

// ServeHTTP answers one request.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/mock/") || r.URL.Path == tokenPath {
		m.mock.ServeHTTP(w, r)
		return
	}
	end := m.recorder.begin(r.URL.Path)
	err := m.serve(w, r)
	end(outcomeOf(err))
	if errors.Is(err, errCut) {
		// The server's own way to drop a connection in the middle of an answer.
		panic(http.ErrAbortHandler)
	}
}

// outcomeOf says how an exchange ended.
func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return completed
	case errors.Is(err, errInjected), errors.Is(err, errCut):
		return faulted
	}
	return clientAborted
}

// serve reads and answers a request.
func (m *Model) serve(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r)
	if err != nil {
		return errClientLeft
	}
	return m.handle(&exchange{w: w, r: r, body: body})
}

// handle records, checks and answers a request whose body is there.
func (m *Model) handle(x *exchange) error {
	x.sum = sha256.Sum256(x.body)
	x.note = m.recorder.add(x.r, x.item, x.sum, x.body)
	target, found := m.find(x)
	x.dialect = target.dialect
	x.dialect.identify(x)
	if !found {
		return x.refuse(http.StatusNotFound, "Not found: "+x.r.Method+" "+x.r.URL.Path)
	}
	if status, message := m.admit(x); status != http.StatusOK {
		return x.refuse(status, message)
	}
	if x.r.Method == http.MethodPost && !target.other {
		if !gjson.ValidBytes(x.body) {
			return x.refuse(http.StatusBadRequest, "The request body is not valid JSON")
		}
		x.fields = gjson.ParseBytes(x.body).Map()
	}
	if err := m.applySwitches(x); err != nil {
		return x.refuse(http.StatusBadRequest, err.Error())
	}
	if x.item.batch != "" {
		x.switches.Delay, x.switches.Stall = 0, off // nobody waits for an item
	}
	if err := x.sleep(x.switches.Delay); err != nil {
		return err
	}
	if m.refuses(x.switches) {
		return x.refuse(x.switches.Status, x.switches.Message)
	}
	if x.item.fails {
		return x.refuse(http.StatusInternalServerError, "")
	}
	return target.answer(x)
}

// readBody reads the whole body into one buffer of the right size.
func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength <= 0 {
		return io.ReadAll(r.Body)
	}
	var buffer bytes.Buffer
	buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	_, err := buffer.ReadFrom(r.Body)
	return buffer.Bytes(), err
}

// applySwitches collects the switches of a request, the more specific ones last.
func (m *Model) applySwitches(x *exchange) error {
	x.switches = m.faults.Load().Switches
	if x.r.URL.RawQuery != "" {
		if err := x.switches.setQuery(x.r.URL.Query()); err != nil {
			return err
		}
	}
	if list := x.r.Header.Get("x-mock"); list != "" {
		if err := x.switches.setList(list); err != nil {
			return fmt.Errorf("header x-mock: %w", err)
		}
	}
	if bytes.Contains(x.body, []byte(directiveStart)) {
		return x.switches.setPrompt(x.lastUserTurn().text)
	}
	return nil
}

// refuses decides whether a request gets the status of its switches.
func (m *Model) refuses(s Switches) bool {
	if s.Status == 0 {
		return false
	}
	f := m.faults.Load()
	n := f.seen.Add(1)
	share := int64(s.StatusShare)
	switch {
	case s.StatusFirst != off && n > int64(s.StatusFirst),
		s.StatusShare != off && n*share/100 == (n-1)*share/100,
		s.StatusFor > 0 && time.Since(f.since) > s.StatusFor,
		s.StatusOver != off && m.recorder.inFlight() <= s.StatusOver:
		return false
	}
	return true
}

// sleep waits, unless the client leaves.
func (x *exchange) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.r.Context().Done():
		return errClientLeft
	}
}
