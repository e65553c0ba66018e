#!/bin/sh
# Slurm's TaskProlog: each task learns where the control API is. A line that begins with `export` sets a variable of the task.
echo "export JOBGATE_URL=https://gateway.example.org:9181"
