{{/* A value of `config` as the text of a variable. Helm reads numbers as floats, and would write large ones as 3.3554432e+07. */}}
{{- define "warmroute.text" -}}
{{- if and (kindIs "float64" .) (eq . (float64 (int64 .))) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end }}

{{/* The settings as the container gets them, name → text, as JSON: `config`, and what follows from other values. */}}
{{- define "warmroute.settings" -}}
{{- $settings := dict -}}
{{- if .Values.pods -}}
{{- $_ := set $settings "WARMROUTE_PODS_FILE" "/etc/warmroute/pods/pods.yaml" -}}
{{- end -}}
{{- if .Values.inferencePool.create -}}
{{- $_ := set $settings "WARMROUTE_INFERENCE_POOL" (printf "%s/%s" .Release.Namespace (include "warmroute.pool" .)) -}}
{{- end -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $settings "WARMROUTE_TLS" "files" -}}
{{- $_ := set $settings "WARMROUTE_TLS_CERT_FILE" "/etc/warmroute/tls/tls.crt" -}}
{{- $_ := set $settings "WARMROUTE_TLS_KEY_FILE" "/etc/warmroute/tls/tls.key" -}}
{{- with .Values.tls.clientCaKey -}}
{{- $_ := set $settings "WARMROUTE_TLS_CLIENT_CA_FILE" (printf "/etc/warmroute/tls/%s" .) -}}
{{- end -}}
{{- end -}}
{{- with .Values.tokenizers -}}
{{- if .volume -}}
{{- $_ := set $settings "WARMROUTE_TOKENIZER_DIR" "/etc/warmroute/tokenizers" -}}
{{- end -}}
{{- if .hub -}}
{{- $_ := set $settings "WARMROUTE_TOKENIZER_HUB" "true" -}}
{{- $_ := set $settings "HF_HOME" "/var/cache/warmroute" -}}
{{- end -}}
{{- if .hubTokenSecretName -}}
{{- $_ := set $settings "HF_TOKEN_PATH" "/etc/warmroute/hub/token" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .Values.config -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $settings $name (include "warmroute.text" $value) -}}
{{- end -}}
{{- end -}}
{{- if not (get $settings "WARMROUTE_DISCOVERY") -}}
{{- $sources := list -}}
{{- if get $settings "WARMROUTE_PODS_FILE" }}{{ $sources = append $sources "file" }}{{ end -}}
{{- if get $settings "WARMROUTE_INFERENCE_POOL" }}{{ $sources = append $sources "inference-pool" }}{{ end -}}
{{- $_ := set $settings "WARMROUTE_DISCOVERY" (default "kubernetes" (join "," $sources)) -}}
{{- end -}}
{{- if and (has "inference-pool" (splitList "," (get $settings "WARMROUTE_DISCOVERY" | nospace))) (not (get $settings "WARMROUTE_UNSAID_BODY_MODE")) -}}
{{- $_ := set $settings "WARMROUTE_UNSAID_BODY_MODE" "FULL_DUPLEX_STREAMED" -}}
{{- end -}}
{{- toJson $settings -}}
{{- end }}

{{/* One setting as it is in force, with the program's own default. Call with (list . "WARMROUTE_…"). */}}
{{- define "warmroute.setting" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $given := get (include "warmroute.settings" $root | fromJson) $name -}}
{{- default (get (get ($root.Files.Get "generated.json" | fromJson) "defaults") $name) $given -}}
{{- end }}

{{/* The port of a setting that is an address. Call as warmroute.setting. */}}
{{- define "warmroute.port" -}}
{{- regexFind "[0-9]+$" (include "warmroute.setting" .) -}}
{{- end }}

{{/* Whether pods come from a source: "true" or "". Call with (list . "kubernetes"). */}}
{{- define "warmroute.discovers" -}}
{{- $sources := splitList "," (include "warmroute.setting" (list (index . 0) "WARMROUTE_DISCOVERY") | nospace) -}}
{{- if has (index . 1) $sources }}true{{ end -}}
{{- end }}

{{/* Whether the API server is asked for anything: "true" or "". */}}
{{- define "warmroute.asksApiServer" -}}
{{- or (include "warmroute.discovers" (list . "kubernetes")) (include "warmroute.discovers" (list . "inference-pool")) -}}
{{- end }}

{{/* How gRPC is served. The program's own default is `self-signed` where an InferencePool is followed: gateways dial its picker by TLS. */}}
{{- define "warmroute.tls" -}}
{{- $fallback := ternary "self-signed" "off" (eq "true" (include "warmroute.discovers" (list . "inference-pool"))) -}}
{{- default $fallback (get (include "warmroute.settings" . | fromJson) "WARMROUTE_TLS") -}}
{{- end }}

{{/* Seconds that a drain takes, at most, with time to end. */}}
{{- define "warmroute.drainSeconds" -}}
{{- $wait := include "warmroute.setting" (list . "WARMROUTE_DRAIN_MS") | int64 -}}
{{- $bodies := include "warmroute.setting" (list . "WARMROUTE_DRAIN_BODIES_MS") | int64 -}}
{{- add 10 (div (add $wait $bodies 999) 1000) -}}
{{- end }}
