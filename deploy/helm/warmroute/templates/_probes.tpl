{{/* What a probe asks. Call with (list . PATH GRPC-SERVICE). */}}
{{- define "warmroute.probe" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.probes.by "http" -}}
httpGet:
  path: {{ index . 1 }}
  port: admin
{{- else -}}
{{- $address := ternary "WARMROUTE_HEALTH_ADDRESS" "WARMROUTE_GRPC_ADDRESS" (ne "" (include "warmroute.setting" (list $root "WARMROUTE_HEALTH_ADDRESS"))) -}}
grpc:
  port: {{ include "warmroute.port" (list $root $address) }}
  service: {{ index . 2 }}
{{- end -}}
{{- end }}
