{{- /* A secret: the value, else that of the Secret on the cluster, else a random one. */ -}}
{{- define "secret" -}}
{{- $live := (lookup "v1" "Secret" .root.Release.Namespace "hub").data | default dict -}}
{{- if .value }}{{ .value }}{{ else if hasKey $live .key }}{{ index $live .key | b64dec }}{{ else }}{{ randAlphaNum 64 | sha256sum }}{{ end }}
{{- end }}

{{- define "cryptkeeper" -}}
{{- $keys := dig "CryptKeeper" "keys" (list) .Values.hub.config -}}
{{- include "secret" (dict "root" . "key" "hub.config.CryptKeeper.keys" "value" (join ";" $keys)) -}}
{{- end }}

{{- define "pull-secrets" -}}
{{- if .Values.imagePullSecret.create }}
imagePullSecrets: [{name: image-pull-secret}]
{{- else if .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson .Values.imagePullSecrets }}
{{- end }}
{{- end }}

{{- /* What the hook pulls; it is left out while the cluster's hub has the same. */ -}}
{{- define "pullers-checksum" -}}
{{- include "pullers" . | sha256sum -}}
{{- end }}

{{- /* A container for each image that a user can start, as far as values tell. */ -}}
{{- define "pullers" -}}
- name: image-pull-singleuser
  image: {{ .Values.singleuser.image.name }}:{{ .Values.singleuser.image.tag }}
  command: [/bin/sh, -c, echo]
{{- range $n, $profile := .Values.singleuser.profileList }}
{{- with ($profile.kubespawner_override | default dict).image }}
- name: image-pull-singleuser-profilelist-{{ $n }}
  image: {{ . }}
  command: [/bin/sh, -c, echo]
{{- end }}
{{- range $option, $of := $profile.profile_options }}
{{- range $choice, $it := $of.choices }}
{{- with ($it.kubespawner_override | default dict).image }}
- name: image-pull-profile-{{ $n }}-option-{{ $option }}-{{ $choice }}
  image: {{ . }}
  command: [/bin/sh, -c, echo]
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $it := .Values.prePuller.extraImages }}
- name: image-pull-{{ $name }}
  image: {{ $it.name }}:{{ $it.tag }}
  command: [/bin/sh, -c, echo]
{{- end }}
{{- end }}
