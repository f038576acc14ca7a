#!/usr/bin/python
# Tells what Slurm or Torque knows of one job or of all.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = """
module: job_info
short_description: Tells what Slurm or Torque knows of one job or of all
description:
  - A job that Slurm's controller has forgotten is looked for in its accounting.
options:
  job_id: {description: The job. Default is all that the manager knows., type: str}
"""

RETURN = """
jobs:
  description:
    - job_id, job_name, job_state in Slurm's words, start_time, work_dir, exit_code as CODE:SIGNAL, and all
      that the manager says in raw_output.
  type: list
  returned: always
"""

from ansible_collections.sodalite.hpc.plugins.module_utils.entry import job_info

if __name__ == "__main__":
    job_info()
