package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// control returns the handler of /mock/… and of what belongs to a provider but
// is no request to a model.
func (m *Model) control(config Config) http.Handler {
	mux := http.NewServeMux()
	if config.Google != nil {
		mux.HandleFunc("POST "+tokenPath, config.Google.exchange)
	}
	mux.HandleFunc("GET /mock/faults", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, m.faults.Load().asMap())
	})
	mux.HandleFunc("PUT /mock/faults", m.putFaults)
	mux.HandleFunc("DELETE /mock/faults", func(w http.ResponseWriter, _ *http.Request) {
		m.setFaults(noSwitches())
		reply(w, map[string]any{})
	})
	mux.HandleFunc("GET /mock/stats", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, m.recorder.snapshot())
	})
	mux.HandleFunc("DELETE /mock/stats", func(w http.ResponseWriter, _ *http.Request) {
		m.recorder.reset()
		reply(w, m.recorder.snapshot())
	})
	mux.HandleFunc("GET /mock/requests", m.getRequests)
	mux.HandleFunc("GET /mock/items", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, m.recorder.reached())
	})
	return mux
}

// putFaults replaces the switches of all requests; what is not named is off.
func (m *Model) putFaults(w http.ResponseWriter, r *http.Request) {
	var values map[string]any
	if err := json.NewDecoder(r.Body).Decode(&values); err != nil {
		http.Error(w, fmt.Sprintf(`want a JSON object such as {"delay":"200ms","status":529}: %v`, err), http.StatusBadRequest)
		return
	}
	faults := noSwitches()
	if err := faults.setMap(values); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.setFaults(faults)
	reply(w, faults.asMap())
}

// getRequests shows the newest records; ?last=N limits their number, and ?id=ID
// shows only those of one request of the gateway.
func (m *Model) getRequests(w http.ResponseWriter, r *http.Request) {
	last := -1
	if value := r.URL.Query().Get("last"); value != "" {
		var err error
		if last, err = strconv.Atoi(value); err != nil || last < 0 {
			http.Error(w, "last must be a number", http.StatusBadRequest)
			return
		}
	}
	reply(w, m.recorder.last(last, r.URL.Query().Get("id")))
}

// setFaults replaces the switches of all requests.
func (m *Model) setFaults(s Switches) {
	m.faults.Store(&faults{Switches: s, since: time.Now()})
}

// reply writes a value as JSON.
func reply(w http.ResponseWriter, value any) {
	w.Header().Set("content-type", "application/json")
	// Nobody is left to tell about a client that went away.
	_ = json.NewEncoder(w).Encode(value)
}
