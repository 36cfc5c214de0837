"""The same network on the handwritten digits at a constant learning rate and by each schedule."""

from sklearn.datasets import load_digits

import edgewise as ew

x, y = load_digits(return_X_y=True)
x = x / 16
schedules = {
    "constant": None,
    "step": ew.StepDecay(every=8, factor=0.3),
    "cosine": ew.Cosine(warmup=0.1),
    "plateau": ew.ReduceOnPlateau(patience=1),
}
for name, schedule in schedules.items():
    net = ew.mlp([64, 48, 10], dtype="float32", seed=1)
    history = ew.fit(
        net, x, y, optimizer=ew.AdamW(5e-3), schedule=schedule, epochs=20, validation=0.3, seed=1, progress=False
    )
    rate = history.learning_rate[-1] if history.learning_rate else 5e-3
    accuracy = history.validation_metric[-1]
    print(f"{name:9} loss {history.loss[-1]:.4f}  validation accuracy {accuracy:.3f}  last rate {rate:.1e}")
