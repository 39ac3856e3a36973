"""A client's watcher while the server is killed and comes back: what a test of a client asks of its script."""


def drive(test, server, script):
    """`script` watches the prefix w/, says "watching" once it does and "seen N" at its Nth event, and goes on when it gets a
    line. Six keys are put, half of them after the restart. Returns what it says at its end."""
    test.addCleanup(script.communicate)
    test.addCleanup(script.kill)
    test.assertEqual(script.stdout.readline(), "watching\n")
    for i in range(6):
        if i == 3:
            server.kill()
            server.start()
        server.etcdctl("put", f"w/{i}", "v")
        if i == 2:
            for n in range(1, 4):
                test.assertEqual(script.stdout.readline(), f"seen {n}\n")
    for n in range(4, 7):
        test.assertEqual(script.stdout.readline(), f"seen {n}\n")
    return script.communicate("\n", timeout=30)[0]
