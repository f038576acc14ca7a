#!/usr/bin/python
# The module job for hosts that may have another manager than Torque too.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = """
module: torque_job
short_description: The module sodalite.hpc.job, for Torque only
"""

from ansible_collections.sodalite.hpc.plugins.module_utils.entry import job
from ansible_collections.sodalite.hpc.plugins.module_utils.managers import Torque

if __name__ == "__main__":
    job(Torque)
