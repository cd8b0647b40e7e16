# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands: prototypes of their C functions and what calls them with parsed arguments. Events: what sends them."""
from .ctypes import (BANNER, add_members, c_string, c_type, call_arguments, comment, declarations, free_function,
                     free_value, from_json_function, function, indent, member_functions, parameters, to_json)
from .schema import c_name


def gen_commands_h(s):
    out = [BANNER, '#ifndef QAPI_COMMANDS_H\n#define QAPI_COMMANDS_H\n\n#include "qapi/qapi-types.h"\n',
           '/*\n * Written once each, by the room that owns the matter. Big lock held, main loop thread. On failure they set *error\n'
           ' * (what they return is then not looked at). The caller frees results.\n */']
    for name, e in s.commands.items():
        args = ['JsonNode *arguments'] if not e.get('gen', True) else \
            ['%s *arguments' % e['data']] if e.get('boxed') else list(parameters(s, s.members(e.get('data'))))
        ret = c_type(s, e['returns']) if 'returns' in e else 'void '
        out += comment(e['doc']) + ['%sqmp_%s(%s);' % (ret, c_name(name), ', '.join(args + ['GError **error']))]
    out.append('''
struct qapi_command {
    const char *name;
    const char *help;     /* the schema's comment */
    bool allow_preconfig; /* may run before the machine exists */
    JsonNode *(*dispatch)(JsonNode *arguments, GError **error); /* NULL and an error, or the result ({} if none) */
};
extern const struct qapi_command qapi_commands[]; /* sorted by name, ends with name NULL */
extern const char qapi_introspection[];           /* a JSON array of SchemaInfo */
#endif''')
    return '\n'.join(out) + '\n'


def gen_command(s, name, e):
    c, members, boxed, ret = c_name(name), s.members(e.get('data')), e.get('boxed'), e.get('returns')
    struct, out = e['data'] if boxed else 'arguments_' + c, ''
    free_form = not e.get('gen', True) # the function looks at the arguments itself: device_add
    takes = (boxed or members) and not free_form
    if takes and not boxed:
        out += 'typedef struct %s {\n%s} %s;\n' % (struct, indent(declarations(s, members)), struct)
        out += member_functions(s, struct, members) + free_function(s, struct, 'static ') + \
            from_json_function(s, struct, 'static ')
    if free_form:
        body = []
    elif takes:
        body = ['%s *a = qapi_%s_from_json(arguments, "", error);' % (struct, struct), 'if (!a) {',
                '    return NULL;', '}']
    else:
        body = ['static const char *const names[] = { NULL };',
                'if (!qapi_parse_object(arguments, "", names, error)) {',
                '    return NULL;', '}']
    call = (['arguments'] if free_form else ['a'] if boxed else list(call_arguments(s, members, 'a->'))) + ['&failure']
    body += ['GError *failure = NULL;',
             '%sqmp_%s(%s);' % (c_type(s, ret) + 'result = ' if ret else '', c, ', '.join(call))]
    body += ['qapi_free_%s(a);' % struct] if takes else []
    body += ['if (failure) {', '    g_propagate_error(error, failure);', '    return NULL;', '}']
    if ret:
        body += ['JsonNode *node = %s;' % to_json(s, ret, 'result')] + free_value(s, ret, 'result') + ['return node;']
    else:
        body += ['return qapi_node_object(json_object_new());']
    return out + function('static JsonNode *dispatch_%s(JsonNode *arguments, GError **error)' % c, body)


def event_arguments(s, e):
    """A boxed event takes one struct or union; another one a parameter a member."""
    if e.get('boxed'):
        return ['const %s *arguments' % e['data']]
    return list(parameters(s, s.members(e.get('data'))))


def gen_events_h(s):
    out = [BANNER, '#ifndef QAPI_EVENTS_H\n#define QAPI_EVENTS_H\n\n#include "qapi/qapi-types.h"\n\n/* Any thread. */']
    out += ['void qapi_event_send_%s(%s);' % (c_name(name).lower(), ', '.join(event_arguments(s, e)) or 'void')
            for name, e in s.events.items()]
    out.append('''
struct qapi_event {
    const char *name;
    unsigned rate_limit_ms; /* at most one in that time; 0: no limit */
};
extern const struct qapi_event qapi_events[]; /* sorted by name, ends with name NULL */
#endif''')
    return '\n'.join(out) + '\n'


def gen_event(s, name, e):
    members = s.members(e.get('data'))
    if e.get('boxed'):
        body = ['monitor_emit_event("%s", qapi_%s_to_json(arguments));' % (name, e['data'])]
    elif members:
        body = ['JsonObject *object = json_object_new();'] + list(add_members(s, members, '')) + [
            'monitor_emit_event("%s", qapi_node_object(object));' % name]
    else:
        body = ['monitor_emit_event("%s", NULL);' % name]
    return function('void qapi_event_send_%s(%s)' % (c_name(name).lower(), ', '.join(event_arguments(s, e)) or 'void'),
                    body)


def gen_dispatch_c(s):
    out = [gen_command(s, name, e) for name, e in s.commands.items()]
    rows = []
    for name in sorted(s.commands):
        e = s.commands[name]
        rows.append('{ "%s", %s, %s, dispatch_%s },' % (
            name, c_string(e['docs'].text), 'true' if e.get('allow-preconfig') else 'false', c_name(name)))
    out.append('const struct qapi_command qapi_commands[] = {\n%s};\n\n' % indent(rows + ['{ NULL },']))
    out += [gen_event(s, name, e) for name, e in s.events.items()]
    rows = ['{ "%s", %d },' % (name, s.events[name].get('rate-limit', 0)) for name in sorted(s.events)]
    out.append('const struct qapi_event qapi_events[] = {\n%s};\n' % indent(rows + ['{ NULL },']))
    return ''.join(out)
