//go:build linux

package kubelet

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// mount puts a pod's volumes where its container mounts them. root is on this machine; group may read them.
func (n *Node) mount(t testing.TB, root string, spec corev1.PodSpec, mounts []corev1.VolumeMount, group int) {
	t.Helper()
	volumes := map[string]corev1.Volume{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range mounts {
		v, ok := volumes[m.Name]
		if !ok {
			t.Fatalf("volume %s is mounted, and not there", m.Name)
		}
		if m.SubPath != "" || m.SubPathExpr != "" {
			t.Fatalf("volume %s is mounted by a subPath: such a file does not follow a change", m.Name)
		}
		dir := filepath.Join(root, m.MountPath)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		n.fill(t, dir, v, group)
	}
}

func (n *Node) fill(t testing.TB, dir string, v corev1.Volume, group int) {
	t.Helper()
	switch {
	case v.EmptyDir != nil:
		if err := os.Chown(dir, 0, group); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777|os.ModeSetgid); err != nil {
			t.Fatal(err)
		}
	case v.ConfigMap != nil:
		data, ok := n.configMaps[v.ConfigMap.Name]
		if !ok {
			t.Fatalf("ConfigMap %s is not there: the pod would wait for it", v.ConfigMap.Name)
		}
		write(t, dir, data, v.ConfigMap.Items, v.ConfigMap.DefaultMode, group)
	case v.Secret != nil:
		data, ok := n.secrets[v.Secret.SecretName]
		if !ok {
			t.Fatalf("Secret %s is not there: the pod would wait for it", v.Secret.SecretName)
		}
		write(t, dir, data, v.Secret.Items, v.Secret.DefaultMode, group)
	default:
		t.Fatalf("volume %s is of a kind that this kubelet does not know", v.Name)
	}
}

// write writes the keys as files of root, which the pod's group may read.
func write(t testing.TB, dir string, data map[string]string, items []corev1.KeyToPath, mode *int32, group int) {
	t.Helper()
	if items == nil {
		for key := range data {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	for _, item := range items {
		text, ok := data[item.Key]
		if !ok {
			t.Fatalf("there is no key %s: the pod would wait for it", item.Key)
		}
		bits := os.FileMode(0o644)
		if mode != nil {
			bits = os.FileMode(*mode)
		}
		if item.Mode != nil {
			bits = os.FileMode(*item.Mode)
		}
		if group != 0 {
			bits |= 0o440
		}
		file := filepath.Join(dir, item.Path)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, 0, group); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, bits); err != nil {
			t.Fatal(err)
		}
	}
}
