{{/* The name of every object. */}}
{{- define "warmroute.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "warmroute.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "warmroute.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "warmroute.pool" -}}
{{- default (include "warmroute.name" .) .Values.inferencePool.name -}}
{{- end }}

{{/* What a selector may use: it must never change. */}}
{{- define "warmroute.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "warmroute.labels" -}}
{{ include "warmroute.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "warmroute.metadata" -}}
name: {{ include "warmroute.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "warmroute.labels" . | nindent 2 }}
{{- end }}

{{- define "warmroute.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}
