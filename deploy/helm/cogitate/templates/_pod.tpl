{{/* The pod template. Give a dict: root, the context; worker, whether it is one of a group's other pods. */}}
{{- define "cogitate.pod" -}}
{{- $root := .root }}
{{- with .root.Values }}
metadata:
  labels:
    {{- include "cogitate.selector" $root | nindent 4 }}
    {{- if include "cogitate.isMultiNode" $root }}
    cogitate/role: {{ $.worker | ternary "worker" "leader" }}
    {{- end }}
    {{- with .podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "cogitate.serviceAccount" $root }}
  automountServiceAccountToken: false
  # Kubernetes would inject COGITATE_PORT=tcp://... for a Service of this name.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "cogitate.graceSeconds" $root }}
  securityContext: {{- toYaml .podSecurityContext | nindent 4 }}
  containers:
    - name: cogitate
      image: {{ include "cogitate.image" $root | quote }}
      imagePullPolicy: {{ .image.pullPolicy }}
      {{- if $.worker }}
      command: [vllm]
      args: {{- include "cogitate.workerArgs" $root | nindent 8 }}
      {{- else }}
      command: [cogitate]
      args: {{- include "cogitate.args" $root | nindent 8 }}
      {{- end }}
      env: {{- include "cogitate.env" $root | trim | nindent 8 }}
      {{- if not $.worker }}
      ports:
        - {name: http, containerPort: {{ .port }}}
        - {name: metrics, containerPort: {{ .metrics.port }}}
      # Paths that ask for no key. An engine's start is over when its model is loaded.
      startupProbe:
        httpGet: {path: {{ eq .shape "engine" | ternary "/health/ready" "/health/live" }}, port: http}
        periodSeconds: 10
        timeoutSeconds: {{ .probes.timeoutSeconds }}
        failureThreshold: {{ .probes.startupFailures }}
      readinessProbe:
        httpGet: {path: /health/ready, port: http}
        periodSeconds: 5
        timeoutSeconds: {{ .probes.timeoutSeconds }}
        failureThreshold: 2
      # A stalled engine ends the process by itself (--stall-seconds).
      livenessProbe:
        httpGet: {path: /health/live, port: http}
        periodSeconds: 10
        timeoutSeconds: {{ .probes.timeoutSeconds }}
        failureThreshold: 6
      {{- end }}
      {{- with include "cogitate.preStopSeconds" $ | int }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ . }}}
      {{- end }}
      securityContext: {{- toYaml .securityContext | nindent 8 }}
      {{- with include "cogitate.resources" $root }}
      resources: {{- . | nindent 8 }}
      {{- end }}
      volumeMounts: {{- include "cogitate.mounts" $ | trim | nindent 8 }}
  volumes: {{- include "cogitate.volumes" $ | trim | nindent 4 }}
  {{- with .imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{- toYaml . | nindent 6 }}
      {{- if not .labelSelector }}
      labelSelector:
        matchLabels: {{- include "cogitate.selector" $root | nindent 10 }}
      {{- end }}
    {{- end }}
  {{- end }}
  {{- with .priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A worker has no requests of its own: it stays until the leader, which is told at the same time, has drained. */}}
{{- define "cogitate.preStopSeconds" -}}
{{- with .root.Values.shutdown }}{{ $.worker | ternary (add .preStopSeconds .lingerSeconds .drainSeconds) .preStopSeconds }}{{ end }}
{{- end }}

{{- define "cogitate.env" -}}
{{- with .Values }}
- {name: DO_NOT_TRACK, value: "1"}
{{- if and (eq .shape "engine") .huggingFace.secret }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .huggingFace.secret }}, key: {{ .huggingFace.key }}}
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The values' resources, with the pod's GPUs among requests and limits. */}}
{{- define "cogitate.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- if and (include "cogitate.isEngine" .) (gt (int .Values.gpu.count) 0) }}
{{- $gpus := dict .Values.gpu.resource (int .Values.gpu.count) }}
{{- $resources = mustMergeOverwrite $resources (dict "requests" $gpus "limits" (deepCopy $gpus)) }}
{{- end }}
{{- with $resources }}{{ toYaml . }}{{ end }}
{{- end }}
