"""Trains the bench's XGBoost model, 300 trees of depth 6 on 30 features, and measures Booster.predict.

    xgboost_model.py train FILE | xgboost_model.py predict FILE ROWS THREADS SECONDS
"""
import json
import sys
import time

import numpy as np
import xgboost as xgb

r = np.random.RandomState(0)
X = r.randn(5000, 30).astype(np.float32)
if sys.argv[1] == "train":
    y = (X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * r.randn(5000) > 0).astype(int)
    xgb.train({"objective": "binary:logistic", "max_depth": 6, "eta": 0.1}, xgb.DMatrix(X, y), 300).save_model(sys.argv[2])
else:
    threads, seconds = int(sys.argv[4]), float(sys.argv[5])
    booster, rows = xgb.Booster({"nthread": threads}, model_file=sys.argv[2]), X[: int(sys.argv[3])]
    for _ in range(20):
        booster.predict(xgb.DMatrix(rows, nthread=threads))
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        booster.predict(xgb.DMatrix(rows, nthread=threads))
        count += 1
    print(json.dumps({"us": (time.perf_counter() - start) / count * 1e6}))
