{{/* repository:tag of an image; the tag is the chart's appVersion when empty. */}}
{{- define "wherry.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Labels of every object of the chart. */}}
{{- define "wherry.labels" -}}
app.kubernetes.io/part-of: wherry
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What every container of the chart may do: nothing but run. */}}
{{- define "wherry.containerSecurity" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* Scheduling of a component's pods; by themselves they keep off each other's nodes. */}}
{{- define "wherry.scheduling" -}}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .values.affinity }}
affinity: {{ toYaml .values.affinity | nindent 2 }}
{{- else }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector: {matchLabels: {app.kubernetes.io/name: {{ .name }}}}
{{- end }}
{{- end }}

{{/* Keeps one pod of a component while nodes are drained; one that has a single pod has nothing to keep. */}}
{{- define "wherry.disruptionBudget" -}}
{{- if gt (int .values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "wherry.labels" .root | nindent 4 }}
spec:
  minAvailable: 1
  selector:
    matchLabels: {app.kubernetes.io/name: {{ .name }}}
{{- end }}
{{- end }}

{{/* DNS name of the routers' control plane. */}}
{{- define "wherry.controlPlaneHost" -}}
wherry-xds.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end }}
