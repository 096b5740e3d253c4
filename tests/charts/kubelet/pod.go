//go:build linux

package kubelet

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// Pod is a running pod of one container.
type Pod struct {
	spec      corev1.PodSpec
	container corev1.Container
	network   *network
	cmd       *exec.Cmd
	log       log
	ended     chan struct{}
	err       error // of the process; set before ended is closed
}

// Start starts a pod.
func (n *Node) Start(t testing.TB, template corev1.PodTemplateSpec) *Pod {
	t.Helper()
	spec := template.Spec
	if len(spec.Containers) != 1 || len(spec.InitContainers) != 0 {
		t.Fatal("this kubelet knows pods of one container")
	}
	p := &Pod{spec: spec, container: spec.Containers[0], ended: make(chan struct{})}
	root := n.unpack(t, p.container.Image)
	user := p.user(t)
	if n.mount(t, root.Dir, spec, p.container.VolumeMounts, int(user.Groups[0])); p.readOnly() {
		// All of the image is root's, and the container's user is not root: what is left to close is /tmp.
		if !slices.ContainsFunc(p.container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/tmp" }) {
			if err := os.Chmod(filepath.Join(root.Dir, "tmp"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	var err error
	if p.network, err = newNetwork(); err != nil {
		t.Fatal(err)
	}
	hosts, err := p.network.publish(n.services)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root.Dir, "etc", "hosts"), []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}

	argv := root.Config.Entrypoint
	if p.container.Command != nil {
		argv = p.container.Command
	}
	argv = slices.Concat(argv, p.container.Args)
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Dir, p.cmd.Env = root.Config.WorkingDir, append(slices.Clone(root.Config.Env), n.environment(t, p.container)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root.Dir, Credential: user}
	err = p.network.inside(func() error {
		if err := mountProc(root.Dir); err != nil {
			return err
		}
		return p.cmd.Start()
	})
	if err != nil {
		t.Fatalf("%s: %v", argv[0], err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		_ = p.network.Close()
		if t.Failed() {
			t.Logf("%s wrote\n%s", p.container.Name, p.Log())
		}
	})
	return p
}

// mountProc gives the container a /proc, in a mount namespace that goes with it. It changes the thread that it runs on.
func mountProc(root string) error {
	dir := filepath.Join(root, "proc")
	if err := os.Mkdir(dir, 0o555); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil { // this machine sees nothing of it
		return err
	}
	return unix.Mount("proc", dir, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// user is whom the security contexts have the container run as. They have to say it.
func (p *Pod) user(t testing.TB) *syscall.Credential {
	t.Helper()
	pod, own := p.spec.SecurityContext, p.container.SecurityContext
	if pod == nil || own == nil {
		t.Fatal("pod and container have no security context")
	}
	uid, gid := pod.RunAsUser, pod.RunAsGroup
	if own.RunAsUser != nil {
		uid = own.RunAsUser
	}
	if own.RunAsGroup != nil {
		gid = own.RunAsGroup
	}
	if uid == nil || gid == nil || *uid == 0 {
		t.Fatal("the security context names no user and group, or root")
	}
	groups := []uint32{0} // that of files without an fsGroup; a container is in it unless it says otherwise
	if pod.FSGroup != nil {
		groups = []uint32{uint32(*pod.FSGroup)}
	}
	return &syscall.Credential{Uid: uint32(*uid), Gid: uint32(*gid), Groups: groups}
}

func (p *Pod) readOnly() bool {
	flag := p.container.SecurityContext.ReadOnlyRootFilesystem
	return flag != nil && *flag
}

// environment resolves a container's env and envFrom.
func (n *Node) environment(t testing.TB, c corev1.Container) []string {
	t.Helper()
	if len(c.EnvFrom) > 0 {
		t.Fatal("this kubelet knows env, and no envFrom")
	}
	var env []string
	for _, e := range c.Env {
		switch from := e.ValueFrom; {
		case from == nil && strings.Contains(e.Value, "$("):
			t.Fatalf("%s refers to another variable, which this kubelet does not know", e.Name)
		case from == nil:
			env = append(env, e.Name+"="+e.Value)
		case from.SecretKeyRef != nil:
			value, ok := n.secrets[from.SecretKeyRef.Name][from.SecretKeyRef.Key]
			if !ok {
				t.Fatalf("%s: Secret %s has no key %s: the pod would wait for it", e.Name, from.SecretKeyRef.Name, from.SecretKeyRef.Key)
			}
			env = append(env, e.Name+"="+value)
		default:
			t.Fatalf("%s comes from where this kubelet does not know", e.Name)
		}
	}
	return env
}

// Log is what the container wrote.
func (p *Pod) Log() string { return p.log.String() }

// Wait waits until the container has ended by itself.
func (p *Pod) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the container as a deleted pod is ended, and returns how long it took. One that has to be killed, or that does
// not end well, is fatal.
func (p *Pod) Stop(t testing.TB) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*p.spec.TerminationGracePeriodSeconds)*time.Second)
	defer cancel()
	if err := p.Wait(ctx); err != nil {
		t.Fatalf("%s, %s after SIGTERM: %v", p.container.Name, time.Since(begin).Round(time.Second), err)
	}
	return time.Since(begin)
}

// Client speaks to the pod, whatever the host of the URL.
func (p *Pod) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return p.network.dial(ctx, port)
	}}}
}

// To is what a Service has behind it whose selector finds the pod.
func (p *Pod) To(port string) Dialer {
	return func(ctx context.Context) (net.Conn, error) { return p.network.dial(ctx, port) }
}

// log is what may be written and read at once.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
