package backend

import (
	"context"
	"sync"
	"time"
)

// credentialTimeout bounds one request for a credential to a cloud's token or metadata service.
const credentialTimeout = 10 * time.Second

// lazy is what is found out when it is first asked for, or, if that fails, the next time. A cloud's credentials are
// looked for so: a machine that has none at the moment can still serve everything else.
type lazy[T any] struct {
	find func(context.Context) (T, error)

	mu    sync.Mutex
	found bool
	value T
}

func (l *lazy[T]) get(ctx context.Context) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found {
		return l.value, nil
	}
	value, err := l.find(context.WithoutCancel(ctx)) // it is for those who come later, too
	l.value, l.found = value, err == nil
	return value, err
}
