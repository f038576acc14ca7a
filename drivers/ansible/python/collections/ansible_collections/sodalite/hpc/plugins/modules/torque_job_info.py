#!/usr/bin/python
# The module job_info for hosts that may have another manager than Torque too.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = """
module: torque_job_info
short_description: The module sodalite.hpc.job_info, for Torque only
"""

from ansible_collections.sodalite.hpc.plugins.module_utils.entry import job_info
from ansible_collections.sodalite.hpc.plugins.module_utils.managers import Torque

if __name__ == "__main__":
    job_info(Torque)
