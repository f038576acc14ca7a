#!/usr/bin/python
# Submits, holds, releases and cancels a job of Slurm or Torque.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = """
module: job
short_description: Submits, holds, releases and cancels a job of Slurm or Torque
description:
  - With I(job_name) it submits a job. With I(job_id) it brings a job into a state.
  - The workload manager is the one whose commands the host has.
options:
  state:
    description: C(queued) submits or releases, C(paused) holds or suspends, C(cancelled) ends the job.
    choices: [queued, paused, cancelled]
    default: queued
  job_id: {description: The job., type: str}
  job_name: {description: The name of the new job., type: str}
  job_contents: {description: Its script. A first line C(#!) names the interpreter., type: str}
  job_src: {description: A file with its script on the controlling machine., type: str}
  job_workspace: {description: The folder where it is submitted. Default is the home., type: path}
  keep_job_script: {description: Leave the script there., type: bool, default: true}
"""

RETURN = """
jobs:
  description:
    - The job, as job_info tells it. An array has one entry for each record of the manager.
  type: list
  returned: always
"""

from ansible_collections.sodalite.hpc.plugins.module_utils.entry import job

if __name__ == "__main__":
    job()
