{{/* What values.schema.json cannot say. Each message tells what to change. */}}
{{- define "warmroute.checks" -}}
{{- $drain := include "warmroute.drainSeconds" . | int -}}
{{- with .Values.terminationGracePeriodSeconds -}}
{{- if lt (int .) $drain -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, but a drain may take %d s (WARMROUTE_DRAIN_MS + WARMROUTE_DRAIN_BODIES_MS, and 10 s to end): unset it, or raise it" (int .) $drain) -}}
{{- end -}}
{{- end -}}
{{- $settings := include "warmroute.settings" . | fromJson -}}
{{- $discovery := get $settings "WARMROUTE_DISCOVERY" -}}
{{- range $source, $name := dict "file" "WARMROUTE_PODS_FILE" "inference-pool" "WARMROUTE_INFERENCE_POOL" -}}
{{- $named := eq "true" (include "warmroute.discovers" (list $ $source)) -}}
{{- $given := ne "" (default "" (get $settings $name)) -}}
{{- if and $given (not $named) -}}
{{- fail (printf "%s is set (by config, pods or inferencePool.create), but config.WARMROUTE_DISCOVERY is %s: add %s to it, or unset it" $name $discovery $source) -}}
{{- end -}}
{{- if and $named (not $given) (not $.Values.extraEnv) (not $.Values.extraEnvFrom) -}}
{{- fail (printf "config.WARMROUTE_DISCOVERY is %s, but %s is not set: set it, or pods or inferencePool.create" $discovery $name) -}}
{{- end -}}
{{- end -}}
{{- $switches := dict -}}
{{- range $what := list "USE_REMOTE_TOKENIZER" "KV_EVENT_SYNC_ENABLED" -}}
{{- $short := get $settings (printf "AIBRIX_%s" $what) -}}
{{- $long := get $settings (printf "AIBRIX_PREFIX_CACHE_%s" $what) -}}
{{- if and $short $long (ne $short $long) -}}
{{- fail (printf "config.AIBRIX_%s and config.AIBRIX_PREFIX_CACHE_%s contradict each other: set the first (the chart has a default for it) and leave out the second" $what $what) -}}
{{- end -}}
{{- $_ := set $switches $what (default $long $short) -}}
{{- end -}}
{{- if and (eq (get $switches "KV_EVENT_SYNC_ENABLED") "true") (eq (get $switches "USE_REMOTE_TOKENIZER") "false") (not (has (get $settings "WARMROUTE_TOKENIZER") (list "auto" "local"))) -}}
{{- fail "config.AIBRIX_KV_EVENT_SYNC_ENABLED needs config.AIBRIX_USE_REMOTE_TOKENIZER, or config.WARMROUTE_TOKENIZER auto or local: set both to true, or both to false" -}}
{{- end -}}
{{- if and .Values.tokenizers.hubTokenSecretName (not .Values.tokenizers.hub) -}}
{{- fail "tokenizers.hubTokenSecretName is set, but tokenizers.hub is false: set it to true, or unset the first" -}}
{{- end -}}
{{- $tls := include "warmroute.tls" . -}}
{{- $health := include "warmroute.setting" (list . "WARMROUTE_HEALTH_ADDRESS") -}}
{{- if and (eq .Values.probes.by "grpc") (ne $tls "off") (not $health) -}}
{{- fail (printf "probes.by is grpc and gRPC is served with TLS (%s), which the kubelet does not speak: set config.WARMROUTE_HEALTH_ADDRESS, or probes.by to http" $tls) -}}
{{- end -}}
{{- if and (eq $tls "files") (not (include "warmroute.setting" (list . "WARMROUTE_TLS_CERT_FILE"))) -}}
{{- fail "config.WARMROUTE_TLS is files, but there are none: set tls.secretName to a Secret of type kubernetes.io/tls" -}}
{{- end -}}
{{- if and .Values.tls.secretName (ne $tls "files") -}}
{{- fail (printf "tls.secretName is set, but config.WARMROUTE_TLS is %s: unset one of them" $tls) -}}
{{- end -}}
{{- with .Values.envoyGateway -}}
{{- if and .enabled .failOpen (eq .body "FullDuplexStreamed") -}}
{{- fail "envoyGateway.failOpen must be false with envoyGateway.body FullDuplexStreamed: a body that passes through Warmroute cannot go on without it" -}}
{{- end -}}
{{- if and .enabled (ne $tls "off") (not .caConfigMap) -}}
{{- fail (printf "gRPC is served with TLS (%s), but Envoy Gateway dials it in plain text: set envoyGateway.caConfigMap, or config.WARMROUTE_TLS to off" $tls) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- end }}
