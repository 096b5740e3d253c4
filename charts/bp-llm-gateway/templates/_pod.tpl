{{/* What the pods of frontends and workers have in common: (dict "root" $ "component" "worker" "values" .Values.worker). */}}
{{- define "bp-llm-gateway.pod.meta" -}}
annotations:
  checksum/config: {{ include "bp-llm-gateway.config.checksum" .root }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "bp-llm-gateway.labelsAnd" (dict "root" .root "component" .component "more" .values.podLabels) | nindent 2 }}
{{- end }}

{{/* Where and as whom a pod runs. */}}
{{- define "bp-llm-gateway.pod.placement" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How the pods of a component are spread, and what they may displace. */}}
{{- define "bp-llm-gateway.pod.spread" -}}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "bp-llm-gateway.selectorLabels" $ | fromYaml)) }}
  - {{ toYaml (merge (deepCopy .) $selector) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Image, security and resources of a container. */}}
{{- define "bp-llm-gateway.container" -}}
image: {{ include "bp-llm-gateway.image" (dict "root" .root "image" .image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The environment of frontends and workers. */}}
{{- define "bp-llm-gateway.env" -}}
{{ include "bp-llm-gateway.database.env" (dict "root" .root "role" .component) }}
{{- with .root.Values.redis.password }}
{{- if ne .source "none" }}
- name: LLMGW_REDIS__PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "bp-llm-gateway.secretName" (dict "root" $.root "suffix" "redis" "from" .) }}
      key: {{ .key }}
{{- end }}
{{- end }}
{{- if or .root.Values.extraCA.configMap .root.Values.extraCA.secret }}
- name: SSL_CERT_DIR
  value: /etc/ssl/certs:{{ include "bp-llm-gateway.etc" .root }}/ca
{{- end }}
{{- range $name, $credential := .root.Values.credentials }}
{{- if $credential }}
{{- range $variable, $from := $credential.env }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "bp-llm-gateway.credential.secret" (dict "root" $.root "name" $name "credential" $credential) }}
      key: {{ $variable }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .root.Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volumes that frontends and workers both have. */}}
{{- define "bp-llm-gateway.volumes" -}}
{{- $v := .root.Values -}}
- name: config
  configMap:
    name: {{ include "bp-llm-gateway.fullname" .root }}-config
{{ include "bp-llm-gateway.database.volume" .root }}
{{- range $name, $credential := $v.credentials }}
{{- if $credential }}
{{- if $credential.files }}
- name: credential-{{ $name }}
  secret:
    secretName: {{ include "bp-llm-gateway.credential.secret" (dict "root" $.root "name" $name "credential" $credential) }}
    items:
      {{- range $file, $from := $credential.files }}
      - {key: {{ $file }}, path: {{ $file }}}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if (index $v "litellm-helm").enabled }}
- name: litellm
  secret:
    secretName: {{ (index $v "litellm-helm").masterkeySecretName }}
{{- end }}
{{- if ne $v.submissionKey.source "none" }}
- name: submission
  secret:
    secretName: {{ include "bp-llm-gateway.secretName" (dict "root" .root "suffix" "submission" "from" $v.submissionKey) }}
{{- end }}
{{- if $v.extraCA.configMap }}
- name: ca
  configMap:
    name: {{ $v.extraCA.configMap }}
{{- else if $v.extraCA.secret }}
- name: ca
  secret:
    secretName: {{ $v.extraCA.secret }}
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where they are mounted. */}}
{{- define "bp-llm-gateway.mounts" -}}
{{- $v := .root.Values }}
{{- $etc := include "bp-llm-gateway.etc" .root -}}
- {name: config, mountPath: {{ $etc }}/config, readOnly: true}
{{ include "bp-llm-gateway.database.mount" .root }}
{{- range $name, $credential := $v.credentials }}
{{- if $credential }}
{{- if $credential.files }}
- {name: credential-{{ $name }}, mountPath: {{ $etc }}/credentials/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- if (index $v "litellm-helm").enabled }}
- {name: litellm, mountPath: {{ $etc }}/litellm, readOnly: true}
{{- end }}
{{- if ne $v.submissionKey.source "none" }}
- {name: submission, mountPath: {{ $etc }}/submission, readOnly: true}
{{- end }}
{{- if or $v.extraCA.configMap $v.extraCA.secret }}
- {name: ca, mountPath: {{ $etc }}/ca, readOnly: true}
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
