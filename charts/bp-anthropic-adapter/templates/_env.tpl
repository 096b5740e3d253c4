{{/* The environment that the chart gives the adapter: docs/anthropic-adapter.md has what each variable means. */}}
{{- define "bp-anthropic-adapter.env" -}}
{{- $secret := include "bp-anthropic-adapter.backendSecret" . }}
{{- with .Values.adapter }}
- name: LISTEN
  value: {{ printf ":%d" (int64 .port) | quote }}
- name: LOG_LEVEL
  value: {{ .logLevel }}
- name: BACKEND_TYPE
  value: {{ .backendType }}
{{- if eq .backendType "anthropic" }}
- name: ANTHROPIC_BASE_URL
  value: {{ .anthropic.baseUrl | quote }}
- name: ANTHROPIC_VERSION
  value: {{ .anthropic.apiVersion | quote }}
{{- if eq .auth.as "file" }}
- name: ANTHROPIC_OAUTH_TOKEN_FILE
  value: /etc/anthropic-adapter/backend/token
{{- else }}
- name: ANTHROPIC_OAUTH_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ .auth.secretKey }}
{{- end }}
{{- else }}
- name: OPENAI_BASE_URL
  value: {{ .openai.baseUrl | quote }}
- name: OPENAI_MAX_TOKENS_FIELD
  value: {{ .openai.maxTokensField }}
- name: OPENAI_STREAM_USAGE
  value: {{ .openai.streamUsage | quote }}
- name: OPENAI_REASONING
  value: {{ .openai.reasoning | quote }}
{{- if $secret }}
- name: OPENAI_TOKEN_FILE
  value: /etc/anthropic-adapter/backend/token
{{- end }}
{{- end }}
{{- if .callerAuth.enabled }}
- name: ADAPTER_TOKEN_FILE
  value: /etc/anthropic-adapter/caller/token
{{- end }}
{{- if $.Values.configMap.modelMap }}
- name: MODEL_MAP_FILE
  value: /etc/anthropic-adapter/models/models.yaml
{{- end }}
- name: DEFAULT_MODEL
  value: {{ .defaults.model | quote }}
- name: DEFAULT_MAX_TOKENS
  value: {{ .defaults.maxTokens | int64 | quote }}
{{- if not (kindIs "invalid" .defaults.temperature) }}
- name: DEFAULT_TEMPERATURE
  value: {{ .defaults.temperature | quote }}
{{- end }}
- name: MAX_BODY
  value: {{ .maxBody | int64 | quote }}
- name: READ_TIMEOUT
  value: {{ int64 .timeouts.readSeconds }}s
- name: CONNECT_TIMEOUT
  value: {{ int64 .timeouts.connectSeconds }}s
- name: HEADER_TIMEOUT
  value: {{ int64 .timeouts.headerSeconds }}s
- name: IDLE_TIMEOUT
  value: {{ int64 .timeouts.idleSeconds }}s
- name: WRITE_TIMEOUT
  value: {{ int64 .timeouts.writeSeconds }}s
- name: PING_INTERVAL
  value: {{ int64 .pingSeconds }}s
- name: DRAIN_DELAY
  value: {{ int64 .drain.delaySeconds }}s
- name: DRAIN_TIMEOUT
  value: {{ int64 .drain.timeoutSeconds }}s
{{- if .caConfigMap }}
- name: SSL_CERT_DIR
  value: /etc/ssl/certs:/etc/anthropic-adapter/ca
{{- end }}
{{- end }}
{{- end }}
