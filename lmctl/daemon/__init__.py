"""The control plane's process: wires every concrete class once, runs the loop, answers its socket."""
