{{/* At most 50 characters without dots, so that the longest name of an object is a DNS label. */}}
{{- define "cogitate.name" -}}
{{- $release := .Release.Name | replace "." "-" }}
{{- $name := .Values.fullnameOverride | default (contains "cogitate" $release | ternary $release (printf "%s-cogitate" $release)) }}
{{- $name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "cogitate.selector" -}}
app.kubernetes.io/name: cogitate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cogitate.labels" -}}
{{ include "cogitate.selector" . }}
app.kubernetes.io/component: {{ .Values.shape }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
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
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository (.tag | default (printf "%s-%s" ($.Chart.AppVersion | replace "+" "_") (include "cogitate.target" $))) }}{{ end }}
{{- end }}
{{- end }}

{{- define "cogitate.graceSeconds" -}}
{{- with .Values.shutdown }}{{ add .preStopSeconds .lingerSeconds .drainSeconds .exitSeconds }}{{ end }}
{{- end }}

{{- define "cogitate.serviceAccount" -}}
{{- with .Values.serviceAccount }}{{ .name | default (.create | ternary (include "cogitate.name" $) "default") }}{{ end }}
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
{{- if eq (int .port) (int .metrics.port) }}
{{- fail "port and metrics.port are the same; choose two" }}
{{- end }}
{{- if and .upstreamKey.secret (not .upstreams) }}
{{- fail "upstreamKey.secret needs upstreams" }}
{{- end }}
{{- if and (or .redis.passwordSecret .redis.signingSecret) (not .redis.url) }}
{{- fail "redis.passwordSecret and redis.signingSecret need redis.url" }}
{{- end }}
{{- range $name := list "api_key" "hf_token" }}
{{- if hasKey $.Values.engineArgs $name }}
{{- fail (printf "engineArgs.%s: anybody who may read a pod's manifest could read it; use auth.keysSecret or huggingFace.secret" $name) }}
{{- end }}
{{- end }}
{{- range $name, $_ := .podLabels }}
{{- if or (has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance")) (hasPrefix "cogitate/" $name) }}
{{- fail (printf "podLabels: Services find their pods by %s; choose another name" $name) }}
{{- end }}
{{- end }}
{{- $gpus := mul .gpu.count .multiNode.size }}
{{- $needed := mul (.engineArgs.tensor_parallel_size | default 1) (.engineArgs.pipeline_parallel_size | default 1) }}
{{- if and (eq .shape "engine") (gt $gpus 0) (gt $needed $gpus) }}
{{- fail (printf "engineArgs: tensor_parallel_size times pipeline_parallel_size is %d, and gpu.count times multiNode.size is %d" $needed $gpus) }}
{{- end }}
{{- $surge := .rollout.maxSurge | toString | trimSuffix "%" | int }}
{{- if not (or $surge (.rollout.maxUnavailable | toString | trimSuffix "%" | int)) }}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both 0: no update could begin; set one of them to 1" }}
{{- end }}
{{- if and .cache.enabled (has "ReadWriteOncePod" .cache.accessModes) (or $surge (gt (int .replicas) 1) (ne .autoscaling.kind "none")) }}
{{- fail "cache.accessModes: ReadWriteOncePod is for one pod at a time: set replicas and rollout.maxUnavailable to 1, rollout.maxSurge to 0, autoscaling.kind to none" }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.hosts) }}
{{- fail "ingress.hosts: name the hosts of the Ingress" }}
{{- end }}
{{- if and .route.enabled (not .route.parentRefs) }}
{{- fail "route.parentRefs: name the Gateway of the HTTPRoute" }}
{{- end }}
{{- end }}
{{- end }}
