#!/bin/bash
# Starts Slurm on this machine, as its only node, to try job scripts.
#
#   apt-get install slurm-wlm munge   # Debian; as root
#   bash scripts/slurm/one_node.sh DIR
#
# It keeps its configuration, state and logs in DIR. `bash
# scripts/slurm/one_node.sh DIR stop` stops it. Commands find it through
# SLURM_CONF=DIR/slurm.conf.
set -euo pipefail
dir=$(realpath -m "${1:?give a folder}")
export SLURM_CONF=$dir/slurm.conf

if [ "${2:-}" = stop ]; then
  scontrol shutdown
  kill "$(cat "$dir/munged.pid")"
  exit
fi

mkdir -p "$dir"/{state,spool}
host=$(hostname -s)
cat > "$SLURM_CONF" <<END
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
# No cgroups, which containers lack.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# One core a task, of whatever the machine has.
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName=$host CPUs=$(nproc)
PartitionName=main Nodes=$host Default=YES
END
# Without --force, munged refuses a socket below a folder that others can write
# to, such as /tmp.
munged --force --key-file=/etc/munge/munge.key --socket="$dir/munge.socket" \
  --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" \
  --seed-file="$dir/munged.seed"
slurmctld
slurmd
until [ "$(sinfo --noheader --format=%T)" = idle ]; do sleep 1; done
sinfo
echo "export SLURM_CONF=$SLURM_CONF"
