SELECT pg_logical_emit_message(true, 'pre', '{"a": 1, "n": null, "e": [], "s": {"t": {"u": "v"}}}');
