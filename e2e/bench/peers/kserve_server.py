"""KServe's model server with a model as its sklearnserver and xgbserver have it (kserve's Model class and V2 types).

    kserve_server.py NAME FORMAT FILE HTTP_PORT
"""
import sys

import kserve
from kserve.utils.utils import get_predict_input, get_predict_response

name, fmt, path, port = sys.argv[1:5]


class Model(kserve.Model):
    def __init__(self):
        super().__init__(name)
        if fmt == "sklearn":
            import joblib
            self.predictor = joblib.load(path)
        else:
            import xgboost
            self.predictor = xgboost.Booster(params={"nthread": 1}, model_file=path)
        self.ready = True

    def predict(self, payload, headers=None):
        rows = get_predict_input(payload)
        if fmt == "xgboost":
            import xgboost
            rows = xgboost.DMatrix(rows, nthread=1)
        return get_predict_response(payload, self.predictor.predict(rows), self.name)


sys.argv = [sys.argv[0], "--http_port", port, "--enable_grpc", "False"]
kserve.ModelServer(http_port=int(port), enable_grpc=False, workers=1).start([Model()])
