"""A learning rate that is too large kills units: watched while it happens."""

from sklearn.datasets import load_digits

import edgewise as ew

images, labels = load_digits(return_X_y=True)
for rate in (0.1, 3.0):
    watch = ew.Watch(every=10)
    net = ew.mlp([64, 32, 32, 10], seed=0)
    ew.fit(net, images / 16, labels, optimizer=ew.SGD(rate), epochs=4, callbacks=[watch], progress=False)
    print(f"learning rate {rate}\n{watch}")
    for finding in watch.report().findings:
        if finding.severity == "error":
            print(f"{finding.code}: {finding.says}; may help: {finding.remedy}")
