{{/* The chart's name, as it stands in labels. */}}
{{- define "bp-llm-gateway.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
What names of objects begin with. It follows the release, and leaves room for the longest suffix: a longer one is cut, and told
from its like by a hash.
*/}}
{{- define "bp-llm-gateway.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- $full := .Values.fullnameOverride | default (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) }}
{{- if gt (len $full) 36 }}
{{- printf "%s-%s" (trunc 27 $full | trimSuffix "-") (sha256sum $full | trunc 8) }}
{{- else }}
{{- $full }}
{{- end }}
{{- end }}

{{/* Labels by which pods of a component are found: (dict "root" $ "component" "frontend"). They never change. */}}
{{- define "bp-llm-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "bp-llm-gateway.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of every object: (dict "root" $ "component" "frontend"). */}}
{{- define "bp-llm-gateway.labels" -}}
{{ include "bp-llm-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: llm-gateway
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels of every object, with somebody's own below them: (dict "root" $ "component" "frontend" "more" .labels). */}}
{{- define "bp-llm-gateway.labelsAnd" -}}
{{- toYaml (merge (include "bp-llm-gateway.labels" . | fromYaml) (.more | default dict)) }}
{{- end }}

{{/* The image of a component: (dict "root" $ "image" .Values.frontend.image). */}}
{{- define "bp-llm-gateway.image" -}}
{{- printf "%s/%s:%s" .root.Values.image.registry .image.repository .root.Values.image.tag }}
{{- with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The host of "host:port", and of "[v6]:port". */}}
{{- define "bp-llm-gateway.host" -}}
{{- regexReplaceAll ":[0-9]+$" . "" }}
{{- end }}

{{/* The port of "host:port". */}}
{{- define "bp-llm-gateway.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{/* A duration of Go ("1h30m", "10s", "500ms") in whole seconds, rounded up. */}}
{{- define "bp-llm-gateway.seconds" -}}
{{- $units := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 0.001 }}
{{- $total := 0.0 }}
{{- range regexFindAll "[0-9.]+(ms|h|m|s)" . -1 }}
{{- $total = addf $total (mulf (regexFind "[0-9.]+" . | float64) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- ceil $total | int64 }}
{{- end }}

{{/* A quantity of Kubernetes ("2Gi", "500M", "1073741824") in bytes. */}}
{{- define "bp-llm-gateway.bytes" -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[kMGTi]*$" .)) | int64 }}
{{- end }}
