{{/*
The name of a Secret with one value: (dict "root" $ "suffix" "redis" "from" .Values.redis.password).
*/}}
{{- define "bp-llm-gateway.secretName" -}}
{{- eq .from.source "existing" | ternary .from.existingSecret (printf "%s-%s" (include "bp-llm-gateway.fullname" .root) .suffix) }}
{{- end }}

{{/* The Secret of a credential: (dict "root" $ "name" "anthropic" "credential" …). */}}
{{- define "bp-llm-gateway.credential.secret" -}}
{{- .credential.existingSecret | default (printf "%s-credential-%s" (include "bp-llm-gateway.fullname" .root) .name) }}
{{- end }}

{{/* Where an ExternalSecret takes from, and how often: what all that use the store have. */}}
{{- define "bp-llm-gateway.store" -}}
refreshInterval: {{ .Values.externalSecrets.refreshInterval }}
secretStoreRef:
  name: {{ .Values.externalSecrets.store.name }}
  kind: {{ .Values.externalSecrets.store.kind }}
{{- end }}

{{/* One entry of data: (dict "key" "token" "from" (dict "key" … "property" …)). */}}
{{- define "bp-llm-gateway.store.entry" -}}
- secretKey: {{ .key }}
  remoteRef:
    key: {{ .from.key | quote }}
    {{- with .from.property }}
    property: {{ . | quote }}
    {{- end }}
{{- end }}

{{/* A value that is invented once and never again: the name of the Password generator. */}}
{{- define "bp-llm-gateway.generator" -}}
refreshPolicy: CreatedOnce
dataFrom:
  - sourceRef:
      generatorRef:
        apiVersion: generators.external-secrets.io/v1alpha1
        kind: Password
        name: {{ include "bp-llm-gateway.fullname" . }}-password
{{- end }}

{{/* Whether anything is invented here. */}}
{{- define "bp-llm-gateway.generates" -}}
{{- $litellm := and (index .Values "litellm-helm").enabled (eq .Values.litellm.masterKey.source "generator") }}
{{- if or (eq .Values.database.passwords.source "generator") (eq .Values.submissionKey.source "generator") $litellm }}yes{{ end }}
{{- end }}
