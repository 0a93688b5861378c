package heddle;

/**
 * A trained network with one input, for one thread at a time. The library "heddle_predict" holds the predictor in one
 * file and predictor_jni.c.
 */
public final class Predictor implements AutoCloseable {
  static {
    System.loadLibrary("heddle_predict");
  }

  private long handle;

  /**
   * Opens a network and maps its parameters.
   *
   * @param symbolFile the path of a -symbol.json file
   * @param paramsFile the path of a .params file
   * @param input the name of the input, often "data"
   * @param shape its extents
   * @throws IllegalArgumentException saying what is wrong with the files or the shape
   */
  public Predictor(String symbolFile, String paramsFile, String input, long... shape) {
    handle = open(symbolFile, paramsFile, input, shape);
  }

  /**
   * Runs the network.
   *
   * @param values of the input in C order, as many as its shape has
   * @return the values of the first output, in C order
   * @throws IllegalArgumentException where there are more or fewer values
   */
  public float[] forward(float[] values) {
    if (handle == 0) throw new IllegalStateException("the predictor was closed");
    return forward(handle, values);
  }

  @Override
  public void close() {
    if (handle != 0) free(handle);
    handle = 0;
  }

  private static native long open(String symbolFile, String paramsFile, String input, long[] shape);

  private static native float[] forward(long handle, float[] values);

  private static native void free(long handle);
}
