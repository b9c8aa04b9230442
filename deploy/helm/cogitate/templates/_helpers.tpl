{{- define "cogitate.name" -}}
{{- if contains "cogitate" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-cogitate" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "cogitate.selector" -}}
app.kubernetes.io/name: cogitate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cogitate.labels" -}}
{{ include "cogitate.selector" . }}
app.kubernetes.io/component: {{ .Values.shape }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "cogitate.isEngine" -}}
{{- if eq .Values.shape "engine" }}true{{ end }}
{{- end }}

{{- define "cogitate.isMultiNode" -}}
{{- if and (eq .Values.shape "engine") (gt (int .Values.multiNode.size) 1) }}true{{ end }}
{{- end }}

{{- define "cogitate.target" -}}
{{- if not (include "cogitate.isEngine" .) }}gateway{{ else if gt (int .Values.gpu.count) 0 }}gpu{{ else }}cpu{{ end }}
{{- end }}

{{- define "cogitate.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository (.tag | default (printf "%s-%s" $.Chart.AppVersion (include "cogitate.target" $))) }}{{ end }}
{{- end }}
{{- end }}

{{- define "cogitate.graceSeconds" -}}
{{- with .Values.shutdown }}{{ add .preStopSeconds .lingerSeconds .drainSeconds .exitSeconds }}{{ end }}
{{- end }}

{{- define "cogitate.cacheClaim" -}}
{{ .Values.cache.existingClaim | default (printf "%s-cache" (include "cogitate.name" .)) }}
{{- end }}

{{/* What a schema cannot say in words that help. */}}
{{- define "cogitate.check" -}}
{{- with .Values }}
{{- if and (not .auth.keysSecret) (not .auth.insecureNoAuth) }}
{{- fail "auth.keysSecret: name a Secret with a keys file (cogitate keys new), or set auth.insecureNoAuth: true" }}
{{- end }}
{{- if and .auth.keysSecret .auth.insecureNoAuth }}
{{- fail "auth.keysSecret and auth.insecureNoAuth are both given; keep one" }}
{{- end }}
{{- if and (eq .shape "gateway") (not .upstreams) }}
{{- fail "upstreams: shape gateway needs a base URL that ends in /v1" }}
{{- end }}
{{- if and (eq .shape "gateway") .engineArgs }}
{{- fail "engineArgs are flags of vLLM: they need shape engine" }}
{{- end }}
{{- if and (eq .shape "gateway") (gt (int .multiNode.size) 1) }}
{{- fail "multiNode needs shape engine" }}
{{- end }}
{{- if and (gt (int .workers) 1) (or (eq .shape "engine") (not .redis.url)) }}
{{- fail "workers: several processes need shape gateway and redis.url" }}
{{- end }}
{{- if and (gt (int .multiNode.size) 1) (not .model) }}
{{- fail "model: a model over several machines must be named" }}
{{- end }}
{{- range $name, $preset := .presets }}
{{- if hasKey $preset "false" }}
{{- fail (printf "presets.%s: write \"n\" with quotes: YAML 1.1 reads it as false" $name) }}
{{- end }}
{{- end }}
{{- if gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" }}
{{- end }}
{{- end }}
{{- end }}
