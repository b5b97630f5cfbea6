// Armadillo's gmm_full, kept from ending early by a floor that no variance is below.

#include "protocol.hpp"

int main(int count, char **arguments) {
  const auto fit = [](const arma::mat &rows, const Parameters &start, arma::uword n) {
    arma::gmm_full model;
    model.set_params(start.means, start.covariances, start.weights);
    if (!model.learn(rows, start.means.n_cols, arma::eucl_dist, arma::keep_existing, 0, n,
                     1e-300, false)) {
      std::cerr << "gmm_full::learn failed\n";
      std::exit(1);
    }
    return Parameters{model.hefts, model.means, model.fcovs};
  };
  return serve("Armadillo " + arma::arma_version::as_string(), count, arguments, fit);
}
