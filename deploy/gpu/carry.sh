#!/usr/bin/env bash
# Cuts files into parts of at most so many MiB, with checksums, and puts them together again.
#
#   carry.sh pack FOLDER PARTS [MIB]     each file of FOLDER, in parts in the folder PARTS (default: 48 MiB)
#   carry.sh join PARTS FOLDER           the files again; a missing or damaged part is an error
set -euo pipefail

die() {
    printf 'carry.sh: %s\n' "$*" >&2
    exit 1
}

pack() {
    local folder=$1 parts=$2 mebibytes=${3:-48} file
    mkdir -p "$parts"
    [[ -z $(ls -A "$parts") ]] || die "$parts is not empty"
    for file in "$folder"/*; do
        [[ -f $file ]] || die "$folder has no files, or a folder: $file"
        [[ -s $file ]] || die "$file is empty, and would have no part: download it again"
        split --bytes="${mebibytes}M" --numeric-suffixes --suffix-length=4 "$file" "$parts/${file##*/}.part"
    done
    (cd "$parts" && sha256sum -- *.part* >SHA256SUMS)
}

join() {
    local parts=$1 folder=$2 part name
    [[ -f $parts/SHA256SUMS ]] || die "$parts has no SHA256SUMS"
    (cd "$parts" && sha256sum --check --quiet SHA256SUMS) || die "a part in $parts is missing or damaged"
    mkdir -p "$folder"
    while read -r _ name; do
        part=$name
        name=${part%.part*}
        if [[ $part == *.part0000 ]]; then : >"$folder/$name"; fi
        cat "$parts/$part" >>"$folder/$name"
    done < <(sort --key=2 "$parts/SHA256SUMS")
}

case ${1:-} in
pack) pack "${2:?FOLDER}" "${3:?PARTS}" "${4:-48}" ;;
join) join "${2:?PARTS}" "${3:?FOLDER}" ;;
*)
    sed -n 's/^# \{0,1\}//p' "$0"
    [[ ${1:-} == --help ]]
    ;;
esac
