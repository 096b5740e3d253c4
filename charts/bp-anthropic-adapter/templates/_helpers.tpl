{{/* What the objects of this chart are called. */}}
{{- define "bp-anthropic-adapter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 47 | trimSuffix "-" }}
{{- end }}

{{/* The beginning of every name. With the longest suffix it stays below the 63 characters that a name may have. */}}
{{- define "bp-anthropic-adapter.fullname" -}}
{{- $name := include "bp-anthropic-adapter.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 47 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 47 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 47 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The labels that pods are found by. They never change. */}}
{{- define "bp-anthropic-adapter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "bp-anthropic-adapter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: adapter
{{- end }}

{{/* The labels of every object. */}}
{{- define "bp-anthropic-adapter.labels" -}}
{{ include "bp-anthropic-adapter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: llm-gateway
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The labels of an object that may be given more: (list $ more). Those of the chart go before. */}}
{{- define "bp-anthropic-adapter.labelsAnd" -}}
{{ toYaml (merge (include "bp-anthropic-adapter.labels" (first .) | fromYaml) (last .)) }}
{{- end }}

{{/* The image, by tag or by tag and digest. */}}
{{- define "bp-anthropic-adapter.image" -}}
{{- with .Values.adapter.image }}
{{- .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* The ServiceAccount of the pods. */}}
{{- define "bp-anthropic-adapter.serviceAccountName" -}}
{{- with .Values.serviceAccount }}
{{- .name | default (ternary (include "bp-anthropic-adapter.fullname" $) "default" .create) }}
{{- end }}
{{- end }}

{{/* The Secret with the backend's token; "" if there is none. */}}
{{- define "bp-anthropic-adapter.backendSecret" -}}
{{- with .Values.adapter.auth }}
{{- .secretName | default (ternary (printf "%s-backend-token" (include "bp-anthropic-adapter.fullname" $)) "" (ne .remoteRef.key "")) }}
{{- end }}
{{- end }}

{{/* The Secret with the token that callers bring; "" if they need none. */}}
{{- define "bp-anthropic-adapter.callerSecret" -}}
{{- with .Values.adapter.callerAuth }}
{{- if .enabled }}
{{- .secretName | default (printf "%s-caller-token" (include "bp-anthropic-adapter.fullname" $)) }}
{{- end }}
{{- end }}
{{- end }}
