"""The terminal: arguments in, tables and plans out; decides nothing the daemon would decide otherwise."""
