{{/* One rule of egress: (dict "to" peers "port" 5432). */}}
{{- define "bp-llm-gateway.network.to" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ .port }}}
{{- end }}

{{/* The pods of this release that are of a component, as a list of peers: (dict "root" $ "component" "frontend"). */}}
{{- define "bp-llm-gateway.network.pods" -}}
- podSelector:
    matchLabels:
      {{- include "bp-llm-gateway.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* What every process needs: names, and the database. */}}
{{- define "bp-llm-gateway.network.base" -}}
{{- $policy := .Values.networkPolicy -}}
- to:
    {{- toYaml $policy.dns.to | nindent 4 }}
  ports:
    - {protocol: UDP, port: {{ $policy.dns.port }}}
    - {protocol: TCP, port: {{ $policy.dns.port }}}
{{- if .Values.database.cluster.enabled }}
- to:
    - podSelector:
        matchLabels:
          cnpg.io/cluster: {{ include "bp-llm-gateway.cluster" . }}
  ports:
    - {protocol: TCP, port: 5432}
{{- else }}
{{ include "bp-llm-gateway.network.to" (dict "to" $policy.database.to "port" .Values.database.external.port) }}
{{- end }}
{{- end }}

{{/* What frontends and workers reach beside it: quotas and backends. */}}
{{- define "bp-llm-gateway.network.backends" -}}
{{- $policy := .Values.networkPolicy }}
{{- include "bp-llm-gateway.network.to" (dict "to" $policy.redis.to "port" (include "bp-llm-gateway.port" .Values.redis.address)) }}
{{- range $policy.backends }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- if .Values.adapter.enabled }}
{{ include "bp-llm-gateway.network.to" (dict "to" $policy.adapter.to "port" (include "bp-llm-gateway.port" .Values.adapter.url)) }}
{{- end }}
{{- with index .Values "litellm-helm" }}
{{- if .enabled }}
- to:
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {{ .nameOverride }}
          app.kubernetes.io/instance: {{ $.Release.Name }}
  ports:
    - {protocol: TCP, port: {{ .service.port }}}
{{- end }}
{{- end }}
{{- end }}
