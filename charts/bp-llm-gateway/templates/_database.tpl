{{/* The name of the CloudNativePG cluster, from which its Services and Secrets have theirs. */}}
{{- define "bp-llm-gateway.cluster" -}}
{{- .Values.database.cluster.name | default (printf "%s-db" (include "bp-llm-gateway.fullname" .)) }}
{{- end }}

{{/* The Secret with the certificate authority of the database; empty where none is mounted. */}}
{{- define "bp-llm-gateway.database.caSecret" -}}
{{- if hasPrefix "verify-" .Values.database.sslMode }}
{{- ternary (printf "%s-ca" (include "bp-llm-gateway.cluster" .)) .Values.database.external.caSecret .Values.database.cluster.enabled }}
{{- end }}
{{- end }}

{{/* The URL of the database for a login, without its password: (dict "root" $ "user" "llmgw_frontend"). */}}
{{- define "bp-llm-gateway.database.url" -}}
{{- $db := .root.Values.database }}
{{- $host := ternary (printf "%s-rw" (include "bp-llm-gateway.cluster" .root)) $db.external.host $db.cluster.enabled }}
{{- $port := ternary 5432 (int $db.external.port) $db.cluster.enabled }}
{{- printf "postgres://%s@%s:%d/%s?sslmode=%s" .user $host $port $db.name $db.sslMode }}
{{- if include "bp-llm-gateway.database.caSecret" .root }}&sslrootcert={{ include "bp-llm-gateway.etc" .root }}/database-ca/ca.crt{{ end }}
{{- end }}

{{/* The Secret with the password of a role: (dict "root" $ "role" "frontend"). */}}
{{- define "bp-llm-gateway.database.secret" -}}
{{- $db := .root.Values.database }}
{{- if eq .role "owner" }}
{{- ternary (printf "%s-app" (include "bp-llm-gateway.cluster" .root)) $db.external.ownerSecret $db.cluster.enabled }}
{{- else if eq $db.passwords.source "existing" }}
{{- (index $db.roles .role).existingSecret }}
{{- else }}
{{- printf "%s-db-%s" (include "bp-llm-gateway.fullname" .root) .role }}
{{- end }}
{{- end }}

{{/* The environment by which a process reaches the database: (dict "root" $ "role" "frontend"). */}}
{{- define "bp-llm-gateway.database.env" -}}
{{- $user := eq .role "owner" | ternary .root.Values.database.owner (dig .role "name" "" .root.Values.database.roles) -}}
- name: LLMGW_DATABASE__URL
  value: {{ include "bp-llm-gateway.database.url" (dict "root" .root "user" $user) | quote }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "bp-llm-gateway.database.secret" . }}
      key: password
{{- end }}

{{/* The environment by which a frontend shows the record. PGPASSWORD is the frontend's own, so this password has another name. */}}
{{- define "bp-llm-gateway.records.env" -}}
- name: LLMGW_DATABASE__AUDITOR_URL
  value: {{ include "bp-llm-gateway.database.url" (dict "root" . "user" .Values.database.roles.auditor.name) | quote }}
- name: LLMGW_DATABASE__AUDITOR_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "bp-llm-gateway.database.secret" (dict "root" . "role" "auditor") }}
      key: password
{{- end }}

{{/* The volume with the certificate authority: only ca.crt, since CloudNativePG keeps its key beside it. */}}
{{- define "bp-llm-gateway.database.volume" -}}
{{- with include "bp-llm-gateway.database.caSecret" . -}}
- name: database-ca
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{/* Where it is mounted. */}}
{{- define "bp-llm-gateway.database.mount" -}}
{{- if include "bp-llm-gateway.database.caSecret" . -}}
- {name: database-ca, mountPath: {{ include "bp-llm-gateway.etc" . }}/database-ca, readOnly: true}
{{- end }}
{{- end }}
