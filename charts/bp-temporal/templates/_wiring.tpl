{{/*
Puts what has to agree with the rest of the release into the values of the upstream chart.

A chart cannot use templates in the values it gives to another. But both see the same values, and Helm renders the files
that lie deepest first: templates/first/of/all/guards.yaml calls this before anything of the upstream chart is rendered. If
it ever came too late, the store would have no address, and the upstream chart refuses that.
*/}}
{{- define "bp-temporal.wire" -}}
{{- $wired := include "bp-temporal.wired" . | fromYaml -}}
{{- $_ := mergeOverwrite .Values.temporal $wired -}}
{{- if .Values.tls.frontend.enabled -}}
{{- /* A probe by gRPC cannot speak TLS. */ -}}
{{- $_ := set .Values.temporal.server.frontend "readinessProbe" (dict "tcpSocket" (dict "port" "rpc")) -}}
{{- end -}}
{{- end }}

{{- define "bp-temporal.wired" -}}
{{- $server := .Values.temporal.server -}}
{{- $tools := .Values.temporal.admintools -}}
{{- $web := .Values.temporal.web -}}
fullnameOverride: {{ include "bp-temporal.fullname" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
server:
  config:
    persistence:
      defaultStore: default
      visibilityStore: visibility
      datastores:
        default:
          sql: {{ include "bp-temporal.store" (list . .Values.database.name) | fromYaml | toJson }}
        visibility:
          sql: {{ include "bp-temporal.store" (list . .Values.database.visibilityName) | fromYaml | toJson }}
    {{- if .Values.auth.enabled }}
    authorization: {{ include "bp-temporal.authorization" . | fromYaml | toJson }}
    {{- end }}
    {{- if .Values.tls.frontend.enabled }}
    tls:
      refreshInterval: 1h
      frontend:
        server:
          certFile: /etc/temporal/frontend-tls/tls.crt
          keyFile: /etc/temporal/frontend-tls/tls.key
    {{- end }}
  additionalVolumes:
    {{- include "bp-temporal.databaseVolume" . | nindent 4 }}
    {{- if .Values.tls.frontend.enabled }}
    - name: frontend-tls
      secret:
        secretName: {{ include "bp-temporal.frontendTLS" . }}
    {{- end }}
    {{- with $server.additionalVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  additionalVolumeMounts:
    {{- include "bp-temporal.databaseMount" . | nindent 4 }}
    {{- if .Values.tls.frontend.enabled }}
    - name: frontend-tls
      mountPath: /etc/temporal/frontend-tls
      readOnly: true
    {{- end }}
    {{- with $server.additionalVolumeMounts }}{{ toYaml . | nindent 4 }}{{ end }}
admintools:
  additionalVolumes:
    {{- include "bp-temporal.databaseVolume" . | nindent 4 }}
    {{- with $tools.additionalVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  additionalVolumeMounts:
    {{- include "bp-temporal.databaseMount" . | nindent 4 }}
    {{- with $tools.additionalVolumeMounts }}{{ toYaml . | nindent 4 }}{{ end }}
web:
  additionalEnv:
    {{- include "bp-temporal.webEnv" . | nindent 4 }}
    {{- with $web.additionalEnv }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- if .Values.tls.frontend.enabled }}
  additionalVolumes:
    - name: frontend-ca
      secret:
        secretName: {{ include "bp-temporal.frontendTLS" . }}
        items: [{key: ca.crt, path: ca.crt}]
    {{- with $web.additionalVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  additionalVolumeMounts:
    - name: frontend-ca
      mountPath: /etc/temporal/frontend-ca
      readOnly: true
    {{- with $web.additionalVolumeMounts }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- end }}
{{- end }}

{{/* How one store is reached: (list . "database name"). */}}
{{- define "bp-temporal.store" -}}
{{- $root := index . 0 -}}
databaseName: {{ index . 1 }}
connectAddr: {{ include "bp-temporal.cluster" $root }}-rw:5432
user: {{ $root.Values.database.owner }}
existingSecret: {{ include "bp-temporal.cluster" $root }}-app
secretKey: password
tls:
  enabled: true
  caFile: /etc/temporal/database-ca/ca.crt
  enableHostVerification: true
{{- end }}

{{/* CloudNativePG keeps the CA's key in the same Secret: only the certificate is mounted. */}}
{{- define "bp-temporal.databaseVolume" -}}
- name: database-ca
  secret:
    secretName: {{ include "bp-temporal.clusterCA" . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- define "bp-temporal.databaseMount" -}}
- name: database-ca
  mountPath: /etc/temporal/database-ca
  readOnly: true
{{- end }}

{{/* What the server reads under global.authorization. Without authorizer or claimMapper everybody would be admin. */}}
{{- define "bp-temporal.authorization" -}}
{{- $keycloak := .Values.auth.keycloak -}}
authorizer: default
claimMapper: default
permissionsClaimName: {{ .Values.auth.permissionsClaim }}
{{- with .Values.auth.audience }}
audience: {{ . }}
{{- end }}
jwtKeyProvider:
  keySourceURIs:
    - {{ $keycloak.jwksUri | default (printf "%s/protocol/openid-connect/certs" (trimSuffix "/" $keycloak.issuer)) }}
  refreshInterval: {{ .Values.auth.refreshInterval }}
{{- end }}

{{/* The Web UI's sign-in, and how it trusts the frontend. */}}
{{- define "bp-temporal.webEnv" -}}
- name: TEMPORAL_DEFAULT_NAMESPACE
  value: {{ (first .Values.namespaces).name }}
{{- if .Values.auth.enabled }}
- name: TEMPORAL_AUTH_ENABLED
  value: "true"
- name: TEMPORAL_AUTH_PROVIDER_URL
  value: {{ .Values.auth.keycloak.issuer }}
- name: TEMPORAL_AUTH_CLIENT_ID
  value: {{ .Values.auth.keycloak.clientId }}
- name: TEMPORAL_AUTH_CLIENT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ include "bp-temporal.webSecret" . }}
      key: {{ .Values.auth.web.secret.key }}
- name: TEMPORAL_AUTH_CALLBACK_URL
  value: {{ .Values.auth.web.callbackUrl }}
- name: TEMPORAL_AUTH_SCOPES
  value: {{ join "," .Values.auth.web.scopes }}
{{- end }}
{{- if .Values.tls.frontend.enabled }}
- name: TEMPORAL_TLS_CA
  value: /etc/temporal/frontend-ca/ca.crt
- name: TEMPORAL_TLS_ENABLE_HOST_VERIFICATION
  value: "true"
{{- end }}
{{- end }}
