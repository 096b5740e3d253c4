package charts

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// nonroot is the user of our images.
const nonroot = 65532

func TestPodsAreLockedDown(t *testing.T) {
	eachRendering(t, func(t *testing.T, _ rendering, objects manifest.Objects) {
		for _, w := range workloads(t, objects.Ours()) {
			for _, fault := range podFaults(w) {
				t.Errorf("%s: %s", w.ID(), fault)
			}
		}
	})
}

// podFaults tells what a pod of ours may not be.
func podFaults(w workload) []string {
	var faults []string
	if w.spec.AutomountServiceAccountToken == nil || *w.spec.AutomountServiceAccountToken {
		faults = append(faults, "automountServiceAccountToken is not false")
	}
	if w.spec.HostNetwork || w.spec.HostPID || w.spec.HostIPC {
		faults = append(faults, "it shares something with its host")
	}
	for _, volume := range w.spec.Volumes {
		if volume.HostPath != nil {
			faults = append(faults, "volume "+volume.Name+" is a path of the host")
		}
	}
	for _, c := range w.containers() {
		for _, fault := range containerFaults(c, w.spec.SecurityContext) {
			faults = append(faults, "container "+c.Name+": "+fault)
		}
	}
	if w.endless {
		for _, c := range w.spec.Containers {
			if c.ReadinessProbe == nil || c.LivenessProbe == nil {
				faults = append(faults, "container "+c.Name+": it has no readinessProbe or no livenessProbe")
			}
		}
	}
	return faults
}

func containerFaults(c corev1.Container, pod *corev1.PodSecurityContext) []string {
	var faults []string
	check := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	own := c.SecurityContext
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	user, never := first(own.RunAsUser, pod.RunAsUser), first(own.RunAsNonRoot, pod.RunAsNonRoot)
	seccomp := first(own.SeccompProfile, pod.SeccompProfile)
	check(never != nil && *never, "runAsNonRoot is not true")
	check(user != nil && *user == nonroot, "runAsUser is not 65532")
	check(seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeRuntimeDefault, "seccompProfile is not RuntimeDefault")
	check(own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem, "readOnlyRootFilesystem is not true")
	check(own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation, "allowPrivilegeEscalation is not false")
	check(own.Capabilities != nil && len(own.Capabilities.Drop) == 1 && own.Capabilities.Drop[0] == "ALL" &&
		len(own.Capabilities.Add) == 0, "it keeps capabilities")
	check(!c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero(), "it requests no CPU or no memory")
	check(!c.Resources.Limits.Memory().IsZero(), "its memory has no limit")
	check(pinned(c.Image), "its image "+c.Image+" is not pinned by a tag or a digest")
	check(!strings.Contains(c.Image, "%!"), "its image is "+c.Image)
	return faults
}

func pinned(image string) bool {
	_, tag, tagged := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return tagged && tag != "" && tag != "latest"
}

// first returns what the container says, else what its pod does.
func first[T any](own, pod *T) *T {
	if own != nil {
		return own
	}
	return pod
}
