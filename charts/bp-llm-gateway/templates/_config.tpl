{{/* Where the gateway finds its files. */}}
{{- define "bp-llm-gateway.etc" -}}/etc/llm-gateway{{- end }}
{{- define "bp-llm-gateway.spoolDir" -}}/var/lib/llm-gateway/spool{{- end }}

{{/* The backends of config and those of the chart's options, as a YAML list under "list". */}}
{{- define "bp-llm-gateway.backends" -}}
{{- $etc := include "bp-llm-gateway.etc" . }}
{{- $list := .Values.config.backends }}
{{- with .Values.adapter }}
{{- if .enabled }}
{{- $auth := dict "mode" "none" }}
{{- if .credential }}
{{- $auth = dict "mode" "bearer" "token_file" (printf "%s/credentials/%s/token" $etc .credential) }}
{{- end }}
{{- $list = append $list (dict "name" .backend "dialects" .dialects "base_url" .url "auth" $auth) }}
{{- end }}
{{- end }}
{{- $litellm := index .Values "litellm-helm" }}
{{- if $litellm.enabled }}
{{- $auth := dict "mode" "bearer" "token_file" (printf "%s/litellm/%s" $etc $litellm.masterkeySecretKey) }}
{{- $url := printf "http://%s:%v" (include "bp-llm-gateway.litellm.fullname" .) $litellm.service.port }}
{{- $list = append $list (dict "name" .Values.litellm.backend "dialects" (list "openai") "base_url" $url "auth" $auth) }}
{{- end }}
{{- toYaml (dict "list" $list) }}
{{- end }}

{{/* The name of LiteLLM's Service, by the rule of its own chart. */}}
{{- define "bp-llm-gateway.litellm.fullname" -}}
{{- with index .Values "litellm-helm" }}
{{- if .fullnameOverride }}
{{- .fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains .nameOverride $.Release.Name }}
{{- $.Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" $.Release.Name .nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the chart makes of its other values for the configuration file. */}}
{{- define "bp-llm-gateway.config.computed" -}}
{{- $etc := include "bp-llm-gateway.etc" . -}}
audit:
  spool_dir: {{ include "bp-llm-gateway.spoolDir" . }}
  {{- if not .Values.frontend.spool.persistent }}
  spool_wait: {{ .Values.frontend.spool.wait }}
  {{- end }}
  {{- if ne .Values.sealKey.source "none" }}
  seal_key_file: {{ $etc }}/seal/{{ .Values.sealKey.key }}
  {{- end }}
{{- if ne .Values.submissionKey.source "none" }}
batch:
  submission_key_file: {{ $etc }}/submission/{{ .Values.submissionKey.key }}
{{- end }}
oidc:
  issuer: {{ ternary .Values.keycloak.issuer "" .Values.keycloak.enabled | quote }}
  audience: {{ .Values.keycloak.audience | quote }}
  {{- with .Values.keycloak.introspection }}
  {{- if .mode }}
  introspection:
    mode: {{ .mode }}
    client_id: {{ .clientID | quote }}
    client_secret_file: {{ $etc }}/introspection/{{ .secret.key }}
  {{- end }}
  {{- end }}
redis:
  url: {{ printf "%s://%s/%v" (ternary "rediss" "redis" .Values.redis.tls.enabled) .Values.redis.address .Values.redis.database | quote }}
  {{- with .Values.redis.username }}
  username: {{ . | quote }}
  {{- end }}
{{- with .Values.temporal }}
temporal:
  address: {{ .address | quote }}
  namespace: {{ .namespace | quote }}
  {{- if .tls.enabled }}
  tls:
    enabled: true
    {{- if .tls.caSecret }}
    ca_file: {{ $etc }}/temporal-ca/ca.crt
    {{- end }}
    {{- if .tls.clientSecret }}
    cert_file: {{ $etc }}/temporal-client/tls.crt
    key_file: {{ $etc }}/temporal-client/tls.key
    {{- end }}
    {{- with .tls.serverName }}
    server_name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- if eq .auth.mode "token" }}
  auth:
    token_file: {{ $etc }}/temporal-auth/{{ .auth.secret.key }}
  {{- else if eq .auth.mode "client-credentials" }}
  auth:
    token_url: {{ .auth.tokenURL | quote }}
    client_id: {{ .auth.clientID | quote }}
    client_secret_file: {{ $etc }}/temporal-auth/{{ .auth.secret.key }}
    scopes: {{ toJson .auth.scopes }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The whole configuration file. */}}
{{- define "bp-llm-gateway.config" -}}
{{- $config := mergeOverwrite (deepCopy .Values.config) (include "bp-llm-gateway.config.computed" . | fromYaml) }}
{{- $_ := set $config "backends" (include "bp-llm-gateway.backends" . | fromYaml).list }}
{{- toYaml $config }}
{{- end }}

{{/* The part of the file that only a new process reads: the rest is taken while it runs. */}}
{{- define "bp-llm-gateway.config.checksum" -}}
{{- toYaml (omit (include "bp-llm-gateway.config" . | fromYaml) "backends" "models" "prices" "tiers" "classes" "overrides") | sha256sum }}
{{- end }}
