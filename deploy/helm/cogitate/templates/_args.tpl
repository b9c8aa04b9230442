{{/* The arguments of `cogitate serve`. Every one is a flag of ours, or under engineArgs one of vLLM's. */}}
{{- define "cogitate.args" -}}
- serve
{{- with .Values }}
{{- if .model }}
- {{ .model | quote }}
{{- end }}
{{- if eq .shape "gateway" }}
- --engine=openai
{{- end }}
{{- range .upstreams }}
- {{ printf "--upstream=%s" . | quote }}
{{- end }}
{{- if .upstreamKey.secret }}
- --upstream-api-key-file=/run/secrets/cogitate/upstream-key
{{- end }}
{{- if .servedModelName }}
- {{ printf "--served-model-name=%s" (join " " .servedModelName) | quote }}
{{- end }}
{{- if eq .shape "engine" }}
{{- if include "cogitate.isMultiNode" $ }}
- --nnodes={{ int .multiNode.size }}
- --node-rank=0
- --master-addr=$(LWS_LEADER_ADDRESS)
{{- end }}
{{- with .engineArgs }}
- {{ printf "--engine-args=%s" (toJson .) | quote }}
{{- end }}
- --engine-log=-
{{- end }}
{{- if .presets }}
- {{ printf "--presets=%s" (toJson .presets) | quote }}
{{- end }}
{{- if gt (int .workers) 1 }}
- --workers={{ int .workers }}
{{- end }}
- --host=0.0.0.0
- --port={{ .port }}
- --metrics-port={{ .metrics.port }}
{{- if .auth.keysSecret }}
- --api-keys-file=/run/secrets/cogitate/keys
{{- else }}
- --insecure-no-auth
{{- end }}
{{- if .redis.url }}
- {{ printf "--redis-url=%s" .redis.url | quote }}
{{- end }}
{{- if .redis.passwordSecret }}
- --redis-password-file=/run/secrets/cogitate/redis-password
{{- end }}
{{- if .redis.signingSecret }}
- --cache-secret-file=/run/secrets/cogitate/cache-secret
{{- end }}
- --linger-seconds={{ .shutdown.lingerSeconds }}
- --drain-seconds={{ .shutdown.drainSeconds }}
- --log-level={{ .log.level }}
- --log-format={{ .log.format }}
{{- range .extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The arguments of `vllm serve` on a group's other pods, which have no API server. */}}
{{- define "cogitate.workerArgs" -}}
- serve
- {{ .Values.model | quote }}
- --headless
- --nnodes={{ int .Values.multiNode.size }}
- --node-rank=$(LWS_WORKER_INDEX)
- --master-addr=$(LWS_LEADER_ADDRESS)
{{- range $name, $value := .Values.engineArgs }}
{{- $flag := $name | replace "_" "-" }}
{{- if kindIs "bool" $value }}
- --{{ if not $value }}no-{{ end }}{{ $flag }}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) }}
- {{ printf "--%s=%s" $flag (toJson $value) | quote }}
{{- else if kindIs "float64" $value }}
- {{ printf "--%s=%v" $flag (ternary (int64 $value) $value (eq (float64 (int64 $value)) $value)) | quote }}
{{- else }}
- {{ printf "--%s=%v" $flag $value | quote }}
{{- end }}
{{- end }}
{{- end }}
