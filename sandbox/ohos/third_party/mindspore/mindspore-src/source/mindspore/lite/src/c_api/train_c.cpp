// SPDX-License-Identifier: Apache-2.0
// Training: the stand-in has none, and says so.
#include "model_c.h"

OH_AI_TrainCfgHandle OH_AI_TrainCfgCreate(void)
{
    return nullptr;
}

void OH_AI_TrainCfgDestroy(OH_AI_TrainCfgHandle *) {}

char **OH_AI_TrainCfgGetLossName(OH_AI_TrainCfgHandle, size_t *num)
{
    if (num != nullptr) {
        *num = 0;
    }
    return nullptr;
}

void OH_AI_TrainCfgSetLossName(OH_AI_TrainCfgHandle, const char **, size_t) {}

OH_AI_OptimizationLevel OH_AI_TrainCfgGetOptimizationLevel(OH_AI_TrainCfgHandle)
{
    return OH_AI_KO0;
}

void OH_AI_TrainCfgSetOptimizationLevel(OH_AI_TrainCfgHandle, OH_AI_OptimizationLevel) {}

OH_AI_Status OH_AI_TrainModelBuild(OH_AI_ModelHandle, const void *, size_t, OH_AI_ModelType, const OH_AI_ContextHandle,
    const OH_AI_TrainCfgHandle)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_TrainModelBuildFromFile(OH_AI_ModelHandle, const char *, OH_AI_ModelType, const OH_AI_ContextHandle,
    const OH_AI_TrainCfgHandle)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_RunStep(OH_AI_ModelHandle, const OH_AI_KernelCallBack, const OH_AI_KernelCallBack)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ModelSetLearningRate(OH_AI_ModelHandle, float)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

float OH_AI_ModelGetLearningRate(OH_AI_ModelHandle)
{
    return 0;
}

OH_AI_TensorHandleArray OH_AI_ModelGetWeights(OH_AI_ModelHandle)
{
    return OH_AI_TensorHandleArray{0, nullptr};
}

OH_AI_Status OH_AI_ModelUpdateWeights(OH_AI_ModelHandle, const OH_AI_TensorHandleArray)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

bool OH_AI_ModelGetTrainMode(OH_AI_ModelHandle)
{
    return false;
}

OH_AI_Status OH_AI_ModelSetTrainMode(OH_AI_ModelHandle, bool)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ModelSetupVirtualBatch(OH_AI_ModelHandle, int, float, float)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ExportModel(OH_AI_ModelHandle, OH_AI_ModelType, const char *, OH_AI_QuantizationType, bool, char **, size_t)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ExportModelBuffer(OH_AI_ModelHandle, OH_AI_ModelType, void *, size_t *, OH_AI_QuantizationType, bool, char **, size_t)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}

OH_AI_Status OH_AI_ExportWeightsCollaborateWithMicro(OH_AI_ModelHandle, OH_AI_ModelType, const char *, bool, bool, char **, size_t)
{
    return OH_AI_STATUS_LITE_NOT_SUPPORT;
}
