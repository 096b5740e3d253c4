{{/* The name of the chart. */}}
{{- define "bp-temporal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/*
The beginning of every name. It leaves room for the longest ending of the upstream chart, -internal-frontend-headless; a
name that is too long ends in a hash, so that two of them stay different.
*/}}
{{- define "bp-temporal.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) -}}
{{- if gt (len $full) 36 -}}
{{- $full = printf "%s-%s" ($full | trunc 29 | trimSuffix "-") (sha256sum $full | trunc 6) -}}
{{- end -}}
{{- $full -}}
{{- end }}

{{/* Labels of every object. */}}
{{- define "bp-temporal.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "bp-temporal.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: {{ include "bp-temporal.name" . }}
{{- end }}

{{/* Labels that tell this release's objects from others. */}}
{{- define "bp-temporal.selectorLabels" -}}
app.kubernetes.io/name: {{ include "bp-temporal.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of the upstream chart's pods. */}}
{{- define "bp-temporal.upstreamLabels" -}}
app.kubernetes.io/name: {{ .Values.temporal.nameOverride | default .Values.catalystBlueprint.upstream.chart }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The database cluster, and the Secret whose ca.crt signs its certificate. */}}
{{- define "bp-temporal.cluster" -}}
{{ include "bp-temporal.fullname" . }}-pg
{{- end }}
{{- define "bp-temporal.clusterCA" -}}
{{ include "bp-temporal.cluster" . }}-{{ ternary "server-tls" "ca" .Values.database.tls.certManager.enabled }}
{{- end }}

{{/* The Secret with the frontend's certificate. */}}
{{- define "bp-temporal.frontendTLS" -}}
{{ include "bp-temporal.fullname" . }}-frontend-tls
{{- end }}

{{/* The Secret with the Web UI's client secret. */}}
{{- define "bp-temporal.webSecret" -}}
{{ .Values.auth.web.secret.name | default (printf "%s-web-oidc" (include "bp-temporal.fullname" .)) }}
{{- end }}

{{/* A port of a service of the server, which the upstream chart has a default for: (list . "frontend" "port" 7233). */}}
{{- define "bp-temporal.port" -}}
{{- $root := index . 0 -}}
{{- dig (index . 1) "service" (index . 2) (index . 3) $root.Values.temporal.server | int -}}
{{- end }}
