"""Measures of how good predictions are.

update() only starts the computation, on the device of the predictions; what it finds is collected when a value
is asked for. So a training loop that updates a metric every batch does not wait for every batch.
"""
from .classification import (F1, MCC, Accuracy, CrossEntropy, NegativeLogLikelihood, Perplexity,
                             TopKAccuracy)
from .metric import CompositeEvalMetric, CustomMetric, EvalMetric, alias, check_label_shapes, create, np, register
from .regression import MAE, MSE, PCC, RMSE, Caffe, Loss, PearsonCorrelation, Torch

__all__ = ["Accuracy", "Caffe", "CompositeEvalMetric", "CrossEntropy", "CustomMetric", "EvalMetric", "F1", "Loss",
           "MAE", "MCC", "MSE", "NegativeLogLikelihood", "PCC", "PearsonCorrelation", "Perplexity", "RMSE",
           "TopKAccuracy", "Torch", "alias", "check_label_shapes", "create", "np", "register"]
