/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -object and object-add make, as the tree of objects sees it. */
#ifndef FERRY_QOM_USER_OBJECT_H
#define FERRY_QOM_USER_OBJECT_H

#include "qom/qom.h"

void user_objects_foreach(qom_child_fn *each, void *opaque);
void user_object_types_foreach(qom_type_fn *each, void *opaque);

#endif
