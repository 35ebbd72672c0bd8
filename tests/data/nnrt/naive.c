/* SPDX-License-Identifier: Apache-2.0 */
/* What the reference NNRt is measured against: the product as three loops, y = x times w transposed. */
void naive(const float *x, const float *w, float *y, int rows, int depth, int columns)
{
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            float sum = 0;
            for (int k = 0; k < depth; k++) {
                sum += x[i * depth + k] * w[j * depth + k];
            }
            y[i * columns + j] = sum;
        }
    }
}
