{{/* Volumes and where they are mounted. Give the dict of the pod template. All else of the file system is read-only. */}}
{{- define "cogitate.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: cache, mountPath: /home/cogitate/.cache}
{{- if include "cogitate.isEngine" .root }}
- {name: shared-memory, mountPath: /dev/shm}
{{- end }}
{{- if include "cogitate.secretSources" . }}
- {name: secrets, mountPath: /run/secrets/cogitate, readOnly: true}
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cogitate.volumes" -}}
{{- with .root.Values }}
- name: tmp
  emptyDir: {sizeLimit: 2Gi}
- name: cache
  {{- if and (eq .shape "engine") .cache.enabled }}
  persistentVolumeClaim: {claimName: {{ include "cogitate.cacheClaim" $.root | trim }}}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- if eq .shape "engine" }}
- name: shared-memory
  emptyDir: {medium: Memory, sizeLimit: {{ .sharedMemory }}}
{{- end }}
{{- end }}
{{- with include "cogitate.secretSources" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- . | trim | nindent 6 }}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Secrets as files. A group's workers have no listener, and get none. */}}
{{- define "cogitate.secretSources" -}}
{{- if not .worker }}
{{- with .root.Values }}
{{- range list
  (list .auth.keysSecret .auth.keysSecretKey "keys")
  (list .upstreamKey.secret .upstreamKey.key "upstream-key")
  (list .redis.passwordSecret .redis.passwordSecretKey "redis-password")
  (list .redis.signingSecret .redis.signingSecretKey "cache-secret") }}
{{- if first . }}
- secret:
    name: {{ index . 0 }}
    items: [{key: {{ index . 1 }}, path: {{ index . 2 }}}]
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
