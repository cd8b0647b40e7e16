# SPDX-License-Identifier: GPL-2.0-or-later
"""The QMP schema and what is generated from it: a module per kind of output."""
