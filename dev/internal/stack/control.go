package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/openova-io/llm-gateway/dev/internal/redis"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// control returns the control API:
//
//	GET  /processes
//	POST /start/{name}
//	POST /stop/{name}     ?timeout=60s before it is killed; stays stopped
//	POST /kill/{name}     ?wait=true until it serves again; ?down=true to stay stopped
//	POST /pause/{name}    SIGSTOP
//	POST /resume/{name}   SIGCONT
//	POST /flush/redis
//
// Each answers when it is done, with the state of the process.
func (s *Stack) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /processes", func(w http.ResponseWriter, _ *http.Request) {
		infos := []supervise.Info{}
		for _, one := range s.list() {
			infos = append(infos, one.Info())
		}
		answer(w, http.StatusOK, infos)
	})
	for verb, act := range map[string]action{
		// A caller that does not wait for the end must not undo the start.
		"start":  func(r *http.Request, one service) error { return one.Start(context.WithoutCancel(r.Context())) },
		"stop":   stop,
		"kill":   kill,
		"pause":  func(_ *http.Request, one service) error { return one.Pause() },
		"resume": func(_ *http.Request, one service) error { return one.Resume() },
	} {
		mux.HandleFunc("POST /"+verb+"/{name}", s.act(act))
	}
	mux.HandleFunc("POST /flush/redis", s.act(func(r *http.Request, _ service) error {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		return redis.Flush(ctx, s.ports.Redis)
	}))
	return mux
}

// action does something to a service.
type action func(*http.Request, service) error

// act finds the service that is meant, runs the action and shows the result.
func (s *Stack) act(act action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if name == "" {
			name = "redis"
		}
		one, err := s.find(name)
		if err != nil {
			answer(w, http.StatusNotFound, map[string]string{"error": err.Error()})
			return
		}
		if err := act(r, one); err != nil {
			answer(w, http.StatusConflict, map[string]any{"error": err.Error(), "process": one.Info()})
			return
		}
		answer(w, http.StatusOK, one.Info())
	}
}

func stop(r *http.Request, one service) error {
	var timeout time.Duration
	if value := r.URL.Query().Get("timeout"); value != "" {
		var err error
		if timeout, err = time.ParseDuration(value); err != nil {
			return fmt.Errorf("timeout: %w", err)
		}
	}
	if one.Name() == "control" {
		return errors.New("the control API does not stop itself: end the stack instead")
	}
	one.Stop(timeout)
	return nil
}

func kill(r *http.Request, one service) error {
	if one.Name() == "control" {
		return errors.New("the control API does not kill itself: end the stack instead")
	}
	query := r.URL.Query()
	down := query.Get("down") == "true"
	if err := one.Kill(down); err != nil {
		return err
	}
	if query.Get("wait") != "true" || down {
		return nil
	}
	return awaitRunning(r.Context(), one)
}

// awaitRunning waits until a service that was killed serves again.
func awaitRunning(ctx context.Context, one service) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for one.Info().State != supervise.Running {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	// Nobody is left to tell about a client that went away.
	_ = json.NewEncoder(w).Encode(value)
}
